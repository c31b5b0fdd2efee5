package example;

import java.util.List;

/** Takes and returns records, which Java has since 16. */
public class Modern {
    public record Point(int x, Integer y, List<Point> neighbours) {}

    public Point move(Point point) {
        return new Point(point.x() + 1, point.y(), point.neighbours());
    }
}
