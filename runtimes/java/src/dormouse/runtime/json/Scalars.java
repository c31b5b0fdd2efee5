package dormouse.runtime.json;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.Base64;

/**
 * Single values: text, numbers, truth, and what is written as text.
 *
 * Reading is as generous as on Lambda: a number where a text is wanted, a text where a number is,
 * a fraction cut to an integer, an unknown name of an enum taken as null.
 */
final class Scalars {
    private Scalars() {}

    /** True if a value of this class is never an object or an array in JSON. */
    static boolean isScalar(Class<?> raw) {
        return raw.isPrimitive()
                || raw == String.class
                || raw == Character.class
                || raw == Boolean.class
                || raw.isEnum()
                || raw == byte[].class
                || raw == char[].class
                || Number.class.isAssignableFrom(raw)
                || ByteBuffer.class.isAssignableFrom(raw)
                || raw == CharSequence.class;
    }

    /** A value of class `raw` from a text, number, `true` or `false` of JSON. */
    static Object read(Class<?> raw, JsonReader.Token token, String text) {
        if (raw == String.class || raw == CharSequence.class) {
            return text;
        }
        if (raw == boolean.class || raw == Boolean.class) {
            return truth(raw, token, text);
        }
        if (raw.isEnum()) {
            return constant(raw, token, text);
        }
        if (raw == char[].class) {
            return text.toCharArray();
        }
        if (raw == byte[].class) {
            return Base64.getDecoder().decode(text);
        }
        if (ByteBuffer.class.isAssignableFrom(raw)) {
            return ByteBuffer.wrap(Base64.getDecoder().decode(text));
        }
        if (raw == char.class || raw == Character.class) {
            return text.isEmpty() ? zero(raw) : (Object) text.charAt(0);
        }
        if (raw.isPrimitive() || Number.class.isAssignableFrom(raw)) {
            return number(raw, token, text);
        }
        return fromText(raw, text);
    }

    /** Any number without a wanted class: the smallest that holds it. */
    static Number anyNumber(String text) {
        int length = text.length();
        boolean isInteger = true;
        for (int i = 0; i < length; i++) {
            char c = text.charAt(i);
            isInteger &= (c >= '0' && c <= '9') || (i == 0 && (c == '-' || c == '+'));
        }
        if (!isInteger) {
            return decimal(text);
        }
        if (length > 18) {
            BigInteger big = new BigInteger(text);
            return big.bitLength() < 64 ? (Number) big.longValue() : big;
        }
        long value = Long.parseLong(text);
        if (value == (int) value) {
            return (int) value;
        }
        return value;
    }

    /** What a primitive is when nothing is said; null for other classes. */
    static Object zero(Class<?> raw) {
        if (!raw.isPrimitive()) {
            return null;
        }
        return java.lang.reflect.Array.get(java.lang.reflect.Array.newInstance(raw, 1), 0);
    }

    private static Object truth(Class<?> raw, JsonReader.Token token, String text) {
        if (token == JsonReader.Token.NUMBER) {
            return decimal(text) != 0;
        }
        if (text.isEmpty()) {
            return zero(raw);
        }
        if (text.equalsIgnoreCase("true") || text.equalsIgnoreCase("false")) {
            return text.equalsIgnoreCase("true");
        }
        throw mismatch(raw, "String \"" + text + "\": only \"true\" or \"false\" recognized");
    }

    private static Object constant(Class<?> raw, JsonReader.Token token, String text) {
        Object[] constants = raw.getEnumConstants();
        if (token == JsonReader.Token.NUMBER) {
            int index = (int) decimal(text);
            return index >= 0 && index < constants.length ? constants[index] : null;
        }
        for (Object constant : constants) {
            if (((Enum<?>) constant).name().equals(text)) {
                return constant;
            }
        }
        return null;
    }

    private static Object number(Class<?> raw, JsonReader.Token token, String text) {
        if (text.trim().isEmpty()) {
            return zero(raw);
        }
        if (token == JsonReader.Token.TRUE || token == JsonReader.Token.FALSE) {
            throw mismatch(raw, "Boolean value (token `JsonToken.VALUE_" + token + "`)");
        }
        try {
            return numberOf(raw, text.trim());
        } catch (NumberFormatException e) {
            throw mismatch(raw, "String \"" + text + "\": not a valid `" + raw.getName() + "` value");
        } catch (ArithmeticException e) {
            throw mismatch(raw, "number " + text + ": out of range of " + raw.getName());
        }
    }

    private static Object numberOf(Class<?> raw, String text) {
        if (raw == double.class || raw == Double.class) {
            return decimal(text);
        }
        if (raw == float.class || raw == Float.class) {
            return (float) decimal(text);
        }
        if (raw == BigDecimal.class) {
            return new BigDecimal(text);
        }
        if (raw == Number.class) {
            return anyNumber(text);
        }
        BigInteger whole = isWhole(text) ? new BigInteger(text) : new BigDecimal(text).toBigInteger();
        if (raw == BigInteger.class) {
            return whole;
        }
        if (raw == int.class || raw == Integer.class) {
            return whole.intValueExact();
        }
        if (raw == long.class || raw == Long.class) {
            return whole.longValueExact();
        }
        if (raw == short.class || raw == Short.class) {
            return whole.shortValueExact();
        }
        if (raw == byte.class || raw == Byte.class) {
            return whole.byteValueExact();
        }
        return fromText(raw, text);
    }

    private static boolean isWhole(String text) {
        return text.indexOf('.') < 0 && text.indexOf('e') < 0 && text.indexOf('E') < 0;
    }

    private static double decimal(String text) {
        return Double.parseDouble(text.equals("INF") || text.equals("-INF") ? text.replace("INF", "Infinity") : text);
    }

    /** Classes that are written as text say how they are read, by one of a few customary names. */
    private static Object fromText(Class<?> raw, String text) {
        if (text.isEmpty()) {
            return null;
        }
        try {
            for (String name : new String[] {"parse", "fromString", "valueOf", "forLanguageTag", "getInstance", "of"}) {
                for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
                    Method factory = factory(raw, name, parameter);
                    if (factory != null) {
                        return factory.invoke(null, text);
                    }
                }
            }
            Constructor<?> constructor = raw.getConstructor(String.class);
            return constructor.newInstance(text);
        } catch (InvocationTargetException e) {
            throw new JsonException("Cannot deserialize value of type `" + raw.getName() + "` from String \"" + text + "\": "
                    + e.getCause().getMessage(), e.getCause());
        } catch (ReflectiveOperationException e) {
            throw mismatch(raw, "String value (\"" + text + "\")");
        }
    }

    private static Method factory(Class<?> raw, String name, Class<?> parameter) {
        try {
            Method method = raw.getMethod(name, parameter);
            boolean fits = Modifier.isStatic(method.getModifiers()) && raw.isAssignableFrom(method.getReturnType());
            return fits ? method : null;
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    /** What to throw where the JSON does not fit the class. */
    static JsonException mismatch(Class<?> raw, String seen) {
        return new JsonException("Cannot deserialize value of type `" + raw.getTypeName() + "` from " + seen);
    }
}
