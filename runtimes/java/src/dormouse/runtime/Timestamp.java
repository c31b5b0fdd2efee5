package dormouse.runtime;

/** Times as `2024-02-29T12:00:00.123Z`, without the formatter's classes that cost time at start. */
final class Timestamp {
    private static final long DAY_MS = 86_400_000;

    private Timestamp() {}

    /** Appends a time given in milliseconds since 1970. */
    static void append(StringBuilder out, long millis) {
        long ofDay = millis % DAY_MS;
        // Days since the first of March of year 0, so that leap days come last.
        long days = millis / DAY_MS + 719_468;
        long era = days / 146_097;
        long dayOfEra = days % 146_097;
        long year = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365;
        long dayOfYear = dayOfEra - (365 * year + year / 4 - year / 100);
        long month = (5 * dayOfYear + 2) / 153;
        long day = dayOfYear - (153 * month + 2) / 5 + 1;
        month = month < 10 ? month + 3 : month - 9;
        year += era * 400 + (month <= 2 ? 1 : 0);
        padded(out, year, 4);
        padded(out.append('-'), month, 2);
        padded(out.append('-'), day, 2);
        padded(out.append('T'), ofDay / 3_600_000, 2);
        padded(out.append(':'), ofDay / 60_000 % 60, 2);
        padded(out.append(':'), ofDay / 1_000 % 60, 2);
        padded(out.append('.'), ofDay % 1_000, 3);
        out.append('Z');
    }

    private static void padded(StringBuilder out, long value, int width) {
        String digits = Long.toString(value);
        for (int i = digits.length(); i < width; i++) {
            out.append('0');
        }
        out.append(digits);
    }
}
