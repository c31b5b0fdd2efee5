package dormouse.runtime.json;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.nio.ByteBuffer;
import java.util.Base64;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;

/**
 * Turns objects into JSON as Lambda's Java runtime does: no spaces, only what must be escaped is,
 * properties that are null are left out, bytes are base64, NaN is text. Nesting is bounded, which
 * also ends circles.
 */
public final class ObjectWriter {
    private final StringBuilder out;
    private int depth;

    private ObjectWriter(StringBuilder out) {
        this.out = out;
    }

    /** The JSON of a value. */
    public static String write(Object value) {
        StringBuilder out = new StringBuilder(256);
        new ObjectWriter(out).value(value);
        return out.toString();
    }

    /** Appends a text with its quotes. */
    public static void quote(StringBuilder out, CharSequence text) {
        out.append('"');
        int length = text.length();
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            if (c >= ' ' && c != '"' && c != '\\') {
                out.append(c);
            } else {
                escape(out, c);
            }
        }
        out.append('"');
    }

    private static void escape(StringBuilder out, char c) {
        switch (c) {
            case '\n':
                out.append("\\n");
                break;
            case '\r':
                out.append("\\r");
                break;
            case '\t':
                out.append("\\t");
                break;
            case '\b':
                out.append("\\b");
                break;
            case '\f':
                out.append("\\f");
                break;
            case '"':
            case '\\':
                out.append('\\').append(c);
                break;
            default:
                out.append("\\u00").append(Character.forDigit(c >> 4, 16)).append(Character.toUpperCase(Character.forDigit(c & 15, 16)));
        }
    }

    private void value(Object value) {
        if (value == null) {
            out.append("null");
        } else if (value instanceof CharSequence || value instanceof Character) {
            quote(out, value.toString());
        } else if (value instanceof Number) {
            number((Number) value);
        } else if (value instanceof Boolean) {
            out.append(value);
        } else if (value instanceof Enum) {
            quote(out, ((Enum<?>) value).name());
        } else if (value instanceof byte[]) {
            quote(out, Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof ByteBuffer) {
            buffer((ByteBuffer) value);
        } else if (value instanceof char[]) {
            quote(out, new String((char[]) value));
        } else if (value instanceof Optional) {
            value(((Optional<?>) value).orElse(null));
        } else {
            nested(value);
        }
    }

    private void nested(Object value) {
        if (++depth > JsonReader.DEPTH_MAX) {
            throw new JsonException("Infinite recursion (nesting depth exceeds " + JsonReader.DEPTH_MAX + ")");
        }
        if (value instanceof Map) {
            map((Map<?, ?>) value);
        } else if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
            list(((Iterable<?>) value).iterator());
        } else if (value instanceof Iterator) {
            list((Iterator<?>) value);
        } else if (value.getClass().isArray()) {
            array(value);
        } else if (Times.isTime(value.getClass())) {
            value(Times.written(value));
        } else if (isText(value)) {
            quote(out, value instanceof Class ? ((Class<?>) value).getName() : value.toString());
        } else {
            bean(value);
        }
        depth--;
    }

    private void number(Number number) {
        double decimal = number.doubleValue();
        boolean isReal = number instanceof Double || number instanceof Float;
        if (isReal && (Double.isNaN(decimal) || Double.isInfinite(decimal))) {
            quote(out, number.toString());
        } else {
            out.append(number);
        }
    }

    private void buffer(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        quote(out, Base64.getEncoder().encodeToString(bytes));
    }

    private void map(Map<?, ?> map) {
        char separator = '{';
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(separator);
            Object key = entry.getKey();
            if (key == null) {
                throw new JsonException("Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)");
            }
            quote(out, key instanceof Enum ? ((Enum<?>) key).name() : key.toString());
            out.append(':');
            value(entry.getValue());
            separator = ',';
        }
        out.append(separator == '{' ? "{}" : "}");
    }

    private void list(Iterator<?> values) {
        out.append('[');
        while (values.hasNext()) {
            value(values.next());
            if (values.hasNext()) {
                out.append(',');
            }
        }
        out.append(']');
    }

    private void array(Object array) {
        out.append('[');
        int length = Array.getLength(array);
        for (int i = 0; i < length; i++) {
            if (i > 0) {
                out.append(',');
            }
            value(Array.get(array, i));
        }
        out.append(']');
    }

    private void bean(Object value) {
        char separator = '{';
        for (Bean.Property property : ObjectReader.bean(JavaType.of(value.getClass())).properties()) {
            if (!property.isReadable()) {
                continue;
            }
            Object member;
            try {
                member = property.get(value);
            } catch (InvocationTargetException e) {
                Throwable cause = e.getCause();
                throw new JsonException(cause.getMessage() + " (through reference chain: " + value.getClass().getName()
                        + "[\"" + property.name + "\"])", cause);
            } catch (ReflectiveOperationException e) {
                throw new JsonException("Cannot read " + property.name + " of " + value.getClass().getName(), e);
            }
            if (member != null) {
                out.append(separator);
                quote(out, property.name);
                out.append(':');
                value(member);
                separator = ',';
            }
        }
        out.append(separator == '{' ? "{}" : "}");
    }

    /** Classes of the platform that are one value to JSON. */
    private static boolean isText(Object value) {
        String name = value.getClass().getName();
        return value instanceof java.nio.file.Path
                || name.equals("java.util.UUID")
                || name.equals("java.util.Locale")
                || name.equals("java.util.Currency")
                || name.equals("java.util.regex.Pattern")
                || name.equals("java.io.File")
                || name.equals("java.lang.Class")
                || name.equals("java.net.URI")
                || name.equals("java.net.URL")
                || name.startsWith("java.net.Inet")
                || name.startsWith("org.joda.time.");
    }
}
