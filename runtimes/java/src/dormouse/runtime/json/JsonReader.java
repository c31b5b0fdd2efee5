package dormouse.runtime.json;

/**
 * Reads JSON token by token from text.
 *
 * Owns the grammar and nothing of Java types. Besides JSON proper it takes what Lambda's own Java
 * runtime takes: single quotes, names without quotes, leading zeros, NaN and Infinity, any escaped
 * character, control characters within text. Nesting is bounded, so that hostile text ends in an
 * exception and not in an exhausted stack.
 */
public final class JsonReader {
    /** What comes next. */
    public enum Token {
        OBJECT,
        OBJECT_END,
        ARRAY,
        ARRAY_END,
        STRING,
        NUMBER,
        TRUE,
        FALSE,
        NULL,
        END
    }

    static final int DEPTH_MAX = 1000;

    private final String text;
    private int at;
    private int depth;
    private boolean first;

    public JsonReader(String text) {
        this.text = text;
        // A byte order mark is not part of the text.
        this.at = text.startsWith("\ufeff") ? 1 : 0;
    }

    /** What comes next, without taking it. */
    public Token peek() {
        skipSpace();
        if (at >= text.length()) {
            return Token.END;
        }
        switch (text.charAt(at)) {
            case '{':
                return Token.OBJECT;
            case '}':
                return Token.OBJECT_END;
            case '[':
                return Token.ARRAY;
            case ']':
                return Token.ARRAY_END;
            case '"':
            case '\'':
                return Token.STRING;
            case 't':
                return literal("true", Token.TRUE);
            case 'f':
                return literal("false", Token.FALSE);
            case 'n':
                return literal("null", Token.NULL);
            case '-':
            case '+':
            case 'N':
            case 'I':
                return Token.NUMBER;
            default:
                if (isDigit(text.charAt(at))) {
                    return Token.NUMBER;
                }
                throw unexpected();
        }
    }

    /** Takes the start of an object or array; its members follow. */
    public void open() {
        if (++depth > DEPTH_MAX) {
            throw new JsonException("Document nesting depth exceeds the maximum allowed (" + DEPTH_MAX + ")");
        }
        at++;
        first = true;
    }

    /** True if a member of the open object or array follows; otherwise its end has been taken. */
    public boolean more(Token end) {
        skipSpace();
        char close = end == Token.OBJECT_END ? '}' : ']';
        if (at < text.length() && text.charAt(at) == close) {
            at++;
            depth--;
            first = false;
            return false;
        }
        if (!first) {
            take(',');
            skipSpace();
        }
        first = false;
        return true;
    }

    /** Takes the name of an object's member, and the colon. */
    public String name() {
        skipSpace();
        String name = at < text.length() && isQuote(text.charAt(at)) ? string() : bareName();
        skipSpace();
        take(':');
        return name;
    }

    /** Takes a text. */
    public String string() {
        char quote = text.charAt(at);
        int start = ++at;
        while (at < text.length()) {
            char c = text.charAt(at);
            if (c == quote) {
                return text.substring(start, at++);
            }
            if (c == '\\') {
                return escaped(start, quote);
            }
            at++;
        }
        throw new JsonException("Unexpected end-of-input in a string");
    }

    /** Takes a number as it stands. */
    public String number() {
        int start = at;
        while (at < text.length() && isNumberPart(text.charAt(at))) {
            at++;
        }
        String number = text.substring(start, at);
        if (!isNumber(number)) {
            at = start;
            throw unexpected();
        }
        return number;
    }

    /** Takes `true`, `false` or `null`, whichever `peek` has seen. */
    public void literal(Token token) {
        at += token == Token.FALSE ? 5 : 4;
    }

    /** Takes a whole value and forgets it. */
    public void skip() {
        Token token = peek();
        switch (token) {
            case OBJECT:
                open();
                while (more(Token.OBJECT_END)) {
                    name();
                    skip();
                }
                break;
            case ARRAY:
                open();
                while (more(Token.ARRAY_END)) {
                    skip();
                }
                break;
            case STRING:
                string();
                break;
            case NUMBER:
                number();
                break;
            case TRUE:
            case FALSE:
            case NULL:
                literal(token);
                break;
            default:
                throw unexpected();
        }
    }

    /** What to throw for a token that may not stand here. */
    public JsonException unexpected() {
        if (at >= text.length()) {
            return new JsonException("Unexpected end-of-input");
        }
        return new JsonException("Unexpected character ('" + text.charAt(at) + "') at position " + at);
    }

    private Token literal(String word, Token token) {
        if (text.startsWith(word, at)) {
            return token;
        }
        throw unexpected();
    }

    private String escaped(int start, char quote) {
        StringBuilder value = new StringBuilder(at - start + 32);
        value.append(text, start, at);
        while (at < text.length()) {
            char c = text.charAt(at++);
            if (c == quote) {
                return value.toString();
            }
            value.append(c == '\\' ? escape() : c);
        }
        throw new JsonException("Unexpected end-of-input in a string");
    }

    private char escape() {
        if (at >= text.length()) {
            throw unexpected();
        }
        char c = text.charAt(at++);
        switch (c) {
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'u':
                return unicode();
            default:
                return c;
        }
    }

    private char unicode() {
        int code = 0;
        for (int end = at + 4; at < end; at++) {
            int digit = at < text.length() ? Character.digit(text.charAt(at), 16) : -1;
            if (digit < 0) {
                throw unexpected();
            }
            code = code * 16 + digit;
        }
        return (char) code;
    }

    private String bareName() {
        int start = at;
        while (at < text.length() && Character.isJavaIdentifierPart(text.charAt(at))) {
            at++;
        }
        if (at == start) {
            throw unexpected();
        }
        return text.substring(start, at);
    }

    private void take(char wanted) {
        if (at >= text.length() || text.charAt(at) != wanted) {
            throw unexpected();
        }
        at++;
    }

    private void skipSpace() {
        while (at < text.length()) {
            char c = text.charAt(at);
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
                return;
            }
            at++;
        }
    }

    private static boolean isQuote(char c) {
        return c == '"' || c == '\'';
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static boolean isNumberPart(char c) {
        return isDigit(c) || c == '-' || c == '+' || c == '.' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    }

    private static boolean isNumber(String number) {
        int i = number.startsWith("-") || number.startsWith("+") ? 1 : 0;
        String magnitude = number.substring(i);
        if (magnitude.equals("NaN") || magnitude.equals("Infinity") || magnitude.equals("INF")) {
            return true;
        }
        int end = digits(number, i);
        boolean valid = end > i;
        if (end < number.length() && number.charAt(end) == '.') {
            int fraction = digits(number, end + 1);
            valid &= fraction > end + 1;
            end = fraction;
        }
        if (end < number.length() && (number.charAt(end) | 0x20) == 'e') {
            int sign = end + 1 < number.length() && "+-".indexOf(number.charAt(end + 1)) >= 0 ? 1 : 0;
            int exponent = digits(number, end + 1 + sign);
            valid &= exponent > end + 1 + sign;
            end = exponent;
        }
        return valid && end == number.length();
    }

    private static int digits(String number, int from) {
        int i = from;
        while (i < number.length() && isDigit(number.charAt(i))) {
            i++;
        }
        return i;
    }
}
