package example;

import java.math.BigDecimal;
import java.time.Instant;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.Collections;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/** What becomes of Java's types in JSON, and back. */
public class Shapes {
    public enum Colour {
        RED,
        GREEN
    }

    public static class Order {
        private String item;
        private int count;
        private BigDecimal price;
        private Colour colour;
        private List<Line> lines;
        private Map<Colour, Integer> stock;
        private boolean urgent;
        private Optional<String> note = Optional.empty();
        public String publicField;
        private String hidden = "unseen";

        public String getItem() {
            return item;
        }

        public void setItem(String item) {
            this.item = item;
        }

        public int getCount() {
            return count;
        }

        public void setCount(int count) {
            this.count = count;
        }

        public BigDecimal getPrice() {
            return price;
        }

        public void setPrice(BigDecimal price) {
            this.price = price;
        }

        public Colour getColour() {
            return colour;
        }

        public void setColour(Colour colour) {
            this.colour = colour;
        }

        public List<Line> getLines() {
            return lines;
        }

        public void setLines(List<Line> lines) {
            this.lines = lines;
        }

        public Map<Colour, Integer> getStock() {
            return stock;
        }

        public void setStock(Map<Colour, Integer> stock) {
            this.stock = stock;
        }

        public boolean isUrgent() {
            return urgent;
        }

        public void setUrgent(boolean urgent) {
            this.urgent = urgent;
        }

        public Optional<String> getNote() {
            return note;
        }

        public void setNote(Optional<String> note) {
            this.note = note;
        }

        public String getURL() {
            return "u";
        }
    }

    public static class Line {
        private long id;
        private String[] tags;

        public long getId() {
            return id;
        }

        public void setId(long id) {
            this.id = id;
        }

        public String[] getTags() {
            return tags;
        }

        public void setTags(String[] tags) {
            this.tags = tags;
        }
    }

    public static class Box<T> {
        public T content;
    }

    public Order order(Order order) {
        return order;
    }

    public String boxed(Box<List<Line>> box) {
        return box.content.get(0).getClass().getSimpleName() + " " + box.content.get(0).getId();
    }

    public Map<String, Object> numbers(Map<String, Object> event) {
        Map<String, Object> kinds = new LinkedHashMap<>();
        event.forEach((name, value) -> kinds.put(name, value == null ? null : value.getClass().getSimpleName()));
        return kinds;
    }

    public Object[] odd(Object event) {
        return new Object[] {
            Double.NaN, 1e300, 1.5f, 'c', new byte[] {1, 2, 3}, Colour.GREEN, Optional.of(1), Optional.empty(),
            UUID.fromString("00000000-0000-0000-0000-000000000001"), Collections.singletonMap(1, null), new int[] {1},
            new BigDecimal("19.90"), new Date(1_700_000_000_000L), Instant.ofEpochSecond(1, 500_000_000),
            LocalDate.of(2024, 2, 29), "q\"\\\n\u0001"
        };
    }

    public static class Times {
        public Date date;
        public Instant instant;
        public LocalDate day;
        public UUID id;
        public Set<Integer> set;
        public TreeMap<String, Double> tree;
    }

    public List<String> times(Times times) {
        return Arrays.asList(
                String.valueOf(times.date.getTime()), times.instant.toString(), times.day.toString(),
                times.id.toString(), times.set.toString(), times.tree.toString());
    }

    public Object circle(Object event) {
        Box<Object> box = new Box<>();
        box.content = box;
        return box;
    }

    public Object badGetter(Object event) {
        return new Object() {
            @SuppressWarnings("unused")
            public String getBroken() {
                throw new IllegalStateException("no value");
            }
        };
    }
}
