package dormouse.runtime.json;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.Date;
import java.util.List;

/**
 * Dates and times as Lambda's Java runtime writes and reads them: points in time as numbers (of
 * milliseconds for {@link Date}, of seconds for `java.time`), local ones as arrays of their parts,
 * and ISO 8601 text understood everywhere. Loaded only when a function uses such a class.
 */
final class Times {
    private static final BigDecimal BILLION = BigDecimal.valueOf(1_000_000_000);

    private Times() {}

    static boolean isTime(Class<?> raw) {
        return Date.class.isAssignableFrom(raw) || Calendar.class.isAssignableFrom(raw) || raw.getName().startsWith("java.time.");
    }

    /** A date or time from a text or a number; `seconds` says what a number means to a Date. */
    static Object read(Class<?> raw, JsonReader.Token token, String text, boolean seconds) {
        if (token == JsonReader.Token.NUMBER) {
            return fromNumber(raw, new BigDecimal(text), seconds);
        }
        if (text.isEmpty()) {
            return null;
        }
        if (Date.class.isAssignableFrom(raw)) {
            return date(raw, instant(text).toEpochMilli());
        }
        if (Calendar.class.isAssignableFrom(raw)) {
            return calendar(instant(text).toEpochMilli());
        }
        if (raw == Instant.class) {
            return instant(text);
        }
        return Scalars.read(raw, token, text);
    }

    /** A local date or time from the array of its parts. */
    static Object read(Class<?> raw, List<?> parts) {
        int[] p = new int[7];
        for (int i = 0; i < p.length && i < parts.size(); i++) {
            p[i] = ((Number) parts.get(i)).intValue();
        }
        if (raw == LocalDate.class) {
            return LocalDate.of(p[0], p[1], p[2]);
        }
        if (raw == LocalTime.class) {
            return LocalTime.of(p[0], p[1], p[2], p[3]);
        }
        if (raw == LocalDateTime.class) {
            return LocalDateTime.of(p[0], p[1], p[2], p[3], p[4], p[5], p[6]);
        }
        throw Scalars.mismatch(raw, "Array value (token `JsonToken.START_ARRAY`)");
    }

    /** What is written for a date or time: a number, a text, or a list of parts. */
    static Object written(Object time) {
        if (time instanceof Date) {
            return ((Date) time).getTime();
        }
        if (time instanceof Calendar) {
            return ((Calendar) time).getTimeInMillis();
        }
        if (time instanceof OffsetDateTime) {
            return seconds(((OffsetDateTime) time).toInstant());
        }
        if (time instanceof ZonedDateTime) {
            return seconds(((ZonedDateTime) time).toInstant());
        }
        if (time instanceof Instant) {
            return seconds((Instant) time);
        }
        if (time instanceof Duration) {
            return decimal(((Duration) time).getSeconds(), ((Duration) time).getNano());
        }
        if (time instanceof LocalDate) {
            return dateParts((LocalDate) time);
        }
        if (time instanceof LocalTime) {
            return timeParts(new ArrayList<>(), (LocalTime) time);
        }
        if (time instanceof LocalDateTime) {
            return timeParts(dateParts(((LocalDateTime) time).toLocalDate()), ((LocalDateTime) time).toLocalTime());
        }
        return time.toString();
    }

    private static Object fromNumber(Class<?> raw, BigDecimal number, boolean seconds) {
        if (Date.class.isAssignableFrom(raw) || Calendar.class.isAssignableFrom(raw)) {
            long millis = seconds ? number.movePointRight(3).longValue() : number.longValue();
            return Calendar.class.isAssignableFrom(raw) ? calendar(millis) : date(raw, millis);
        }
        if (raw == Duration.class) {
            return Duration.ofSeconds(number.longValue(), nanos(number));
        }
        Instant instant = Instant.ofEpochSecond(number.longValue(), nanos(number));
        if (raw == Instant.class) {
            return instant;
        }
        if (raw == OffsetDateTime.class) {
            return instant.atOffset(ZoneOffset.UTC);
        }
        if (raw == ZonedDateTime.class) {
            return instant.atZone(ZoneOffset.UTC);
        }
        throw Scalars.mismatch(raw, "Integer value (" + number + ")");
    }

    private static long nanos(BigDecimal seconds) {
        return seconds.remainder(BigDecimal.ONE).multiply(BILLION).longValue();
    }

    private static Object date(Class<?> raw, long millis) {
        try {
            return raw.getConstructor(long.class).newInstance(millis);
        } catch (ReflectiveOperationException e) {
            throw new JsonException("Cannot make a " + raw.getName(), e);
        }
    }

    private static Calendar calendar(long millis) {
        Calendar calendar = Calendar.getInstance();
        calendar.setTimeInMillis(millis);
        return calendar;
    }

    private static Instant instant(String text) {
        if (text.length() == 10) {
            return LocalDate.parse(text).atStartOfDay().toInstant(ZoneOffset.UTC);
        }
        boolean hasZone = text.endsWith("Z") || text.lastIndexOf('+') > 10 || text.lastIndexOf('-') > 10;
        if (!hasZone) {
            return LocalDateTime.parse(text).toInstant(ZoneOffset.UTC);
        }
        // `+0000` as well as `+00:00`.
        int sign = Math.max(text.lastIndexOf('+'), text.lastIndexOf('-'));
        boolean isShort = sign > 10 && text.length() - sign == 5;
        return OffsetDateTime.parse(isShort ? text.substring(0, sign + 3) + ":" + text.substring(sign + 3) : text).toInstant();
    }

    private static BigDecimal seconds(Instant instant) {
        return decimal(instant.getEpochSecond(), instant.getNano());
    }

    private static BigDecimal decimal(long seconds, int nanos) {
        return BigDecimal.valueOf(seconds).add(BigDecimal.valueOf(nanos, 9));
    }

    private static List<Object> dateParts(LocalDate date) {
        List<Object> parts = new ArrayList<>();
        parts.add(date.getYear());
        parts.add(date.getMonthValue());
        parts.add(date.getDayOfMonth());
        return parts;
    }

    private static List<Object> timeParts(List<Object> parts, LocalTime time) {
        parts.add(time.getHour());
        parts.add(time.getMinute());
        if (time.getSecond() > 0 || time.getNano() > 0) {
            parts.add(time.getSecond());
        }
        if (time.getNano() > 0) {
            parts.add(time.getNano());
        }
        return parts;
    }
}
