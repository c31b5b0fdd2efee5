package dormouse.runtime.json;

import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * Turns JSON into objects of a wanted type.
 *
 * Unknown names are passed over. Where Lambda's own runtime forgives, so does this: an empty text
 * or array is null where an object is wanted, a lone value is a list of one where a list is wanted,
 * and a list of one is its value where a single value is wanted.
 */
public final class ObjectReader {
    private static final Map<JavaType, Bean> BEANS = new ConcurrentHashMap<>();

    private final JsonReader in;

    private ObjectReader(String text) {
        this.in = new JsonReader(text);
    }

    /** The whole text as one value of the type. */
    public static Object read(String text, JavaType type) {
        ObjectReader reader = new ObjectReader(text);
        if (reader.in.peek() == JsonReader.Token.END) {
            throw new JsonException("No content to map due to end-of-input");
        }
        return reader.value(type, false);
    }

    static Bean bean(JavaType type) {
        Bean bean = BEANS.get(type);
        if (bean == null) {
            bean = new Bean(type);
            BEANS.put(type, bean);
        }
        return bean;
    }

    private Object value(JavaType type, boolean inEvent) {
        JsonReader.Token token = in.peek();
        Class<?> raw = type.raw;
        if (token == JsonReader.Token.NULL) {
            in.literal(token);
            return raw == Optional.class ? Optional.empty() : Scalars.zero(raw);
        }
        if (raw == Object.class || raw == java.io.Serializable.class) {
            return any();
        }
        if (raw == Optional.class) {
            return Optional.ofNullable(value(type.argument(0), inEvent));
        }
        if (Scalars.isScalar(raw)) {
            return scalar(type, token, inEvent);
        }
        if (raw.isArray()) {
            return array(type, inEvent);
        }
        if (Collection.class.isAssignableFrom(raw) || raw == Iterable.class) {
            return collection(type, token, inEvent);
        }
        if (token == JsonReader.Token.OBJECT) {
            return Map.class.isAssignableFrom(raw) ? map(type, inEvent) : object(type);
        }
        if (Times.isTime(raw)) {
            return time(type, token, inEvent);
        }
        return scalar(type, token, inEvent);
    }

    private Object any() {
        JsonReader.Token token = in.peek();
        switch (token) {
            case OBJECT:
                Map<String, Object> map = new LinkedHashMap<>();
                in.open();
                while (in.more(JsonReader.Token.OBJECT_END)) {
                    map.put(in.name(), any());
                }
                return map;
            case ARRAY:
                List<Object> list = new ArrayList<>();
                in.open();
                while (in.more(JsonReader.Token.ARRAY_END)) {
                    list.add(any());
                }
                return list;
            case STRING:
                return in.string();
            case NUMBER:
                return Scalars.anyNumber(in.number());
            case TRUE:
            case FALSE:
            case NULL:
                in.literal(token);
                return token == JsonReader.Token.NULL ? null : (Object) (token == JsonReader.Token.TRUE);
            default:
                throw in.unexpected();
        }
    }

    private Object scalar(JavaType type, JsonReader.Token token, boolean inEvent) {
        switch (token) {
            case STRING:
                String text = in.string();
                // An empty text is no object.
                return text.isEmpty() && !Scalars.isScalar(type.raw) ? null : Scalars.read(type.raw, token, text);
            case NUMBER:
                return Scalars.read(type.raw, token, in.number());
            case TRUE:
            case FALSE:
                in.literal(token);
                return Scalars.read(type.raw, token, token == JsonReader.Token.TRUE ? "true" : "false");
            case ARRAY:
                return onlyElement(type, inEvent);
            case OBJECT:
                throw Scalars.mismatch(type.raw, "Object value (token `JsonToken.START_OBJECT`)");
            default:
                throw in.unexpected();
        }
    }

    /** A list of one where a single value is wanted. */
    private Object onlyElement(JavaType type, boolean inEvent) {
        in.open();
        if (!in.more(JsonReader.Token.ARRAY_END)) {
            return Scalars.zero(type.raw);
        }
        Object value = value(type, inEvent);
        if (in.more(JsonReader.Token.ARRAY_END)) {
            throw Scalars.mismatch(type.raw, "Array value (token `JsonToken.START_ARRAY`)");
        }
        return value;
    }

    private Object time(JavaType type, JsonReader.Token token, boolean inEvent) {
        if (token == JsonReader.Token.STRING) {
            return Times.read(type.raw, token, in.string(), inEvent);
        }
        if (token == JsonReader.Token.NUMBER) {
            return Times.read(type.raw, token, in.number(), inEvent);
        }
        if (token == JsonReader.Token.ARRAY) {
            return Times.read(type.raw, (List<?>) any());
        }
        throw in.unexpected();
    }

    private Object array(JavaType type, boolean inEvent) {
        List<Object> values = elements(type.element(), new ArrayList<>(), inEvent);
        Object array = Array.newInstance(type.element().raw, values.size());
        for (int i = 0; i < values.size(); i++) {
            Array.set(array, i, values.get(i));
        }
        return array;
    }

    private Object collection(JavaType type, JsonReader.Token token, boolean inEvent) {
        JavaType asCollection = type.as(Collection.class);
        JavaType element = asCollection == null ? type.argument(0) : asCollection.argument(0);
        if (token == JsonReader.Token.STRING && element.raw != String.class && element.raw != Object.class) {
            String text = in.string();
            if (text.isEmpty()) {
                return null;
            }
            throw Scalars.mismatch(type.raw, "String value (\"" + text + "\")");
        }
        return elements(element, newCollection(type.raw), inEvent);
    }

    private <C extends Collection<Object>> C elements(JavaType element, C into, boolean inEvent) {
        if (in.peek() != JsonReader.Token.ARRAY) {
            into.add(value(element, inEvent));
            return into;
        }
        in.open();
        while (in.more(JsonReader.Token.ARRAY_END)) {
            into.add(value(element, inEvent));
        }
        return into;
    }

    private Object map(JavaType type, boolean inEvent) {
        JavaType asMap = type.as(Map.class);
        Class<?> key = asMap.argument(0).raw;
        Map<Object, Object> map = newMap(type.raw);
        in.open();
        while (in.more(JsonReader.Token.OBJECT_END)) {
            String name = in.name();
            Object realKey = key == Object.class || key == String.class ? name : Scalars.read(key, JsonReader.Token.STRING, name);
            map.put(realKey, value(asMap.argument(1), inEvent));
        }
        return map;
    }

    private Object object(JavaType type) {
        Bean bean = bean(type);
        Map<Bean.Property, Object> values = new LinkedHashMap<>();
        in.open();
        while (in.more(JsonReader.Token.OBJECT_END)) {
            String name = in.name();
            Bean.Property property = bean.property(name);
            if (property == null || !property.isWritable()) {
                in.skip();
                continue;
            }
            try {
                values.put(property, value(property.type, bean.isEvent));
            } catch (JsonException e) {
                throw new JsonException(e.getMessage() + " (through reference chain: " + type + "[\"" + name + "\"])", e);
            }
        }
        try {
            return bean.make(values);
        } catch (InvocationTargetException e) {
            throw new JsonException("Cannot construct instance of `" + type + "`, problem: " + e.getCause().getMessage(), e.getCause());
        } catch (ReflectiveOperationException | IllegalArgumentException e) {
            throw new JsonException("Cannot construct instance of `" + type + "`", e);
        }
    }

    @SuppressWarnings("unchecked")
    private static Collection<Object> newCollection(Class<?> raw) {
        if (isConcrete(raw)) {
            return (Collection<Object>) newInstance(raw);
        }
        if (SortedSet.class.isAssignableFrom(raw)) {
            return new TreeSet<>();
        }
        if (Set.class.isAssignableFrom(raw)) {
            return new LinkedHashSet<>();
        }
        return Queue.class.isAssignableFrom(raw) ? new ArrayDeque<>() : new ArrayList<>();
    }

    @SuppressWarnings("unchecked")
    private static Map<Object, Object> newMap(Class<?> raw) {
        if (isConcrete(raw)) {
            return (Map<Object, Object>) newInstance(raw);
        }
        if (SortedMap.class.isAssignableFrom(raw)) {
            return new TreeMap<>();
        }
        return ConcurrentMap.class.isAssignableFrom(raw) ? new ConcurrentHashMap<>() : new LinkedHashMap<>();
    }

    private static boolean isConcrete(Class<?> raw) {
        return !raw.isInterface() && !Modifier.isAbstract(raw.getModifiers());
    }

    private static Object newInstance(Class<?> raw) {
        if (raw == HashMap.class) {
            return new LinkedHashMap<>();
        }
        try {
            return raw.getConstructor().newInstance();
        } catch (ReflectiveOperationException e) {
            throw new JsonException("Cannot construct instance of `" + raw.getName() + "`", e);
        }
    }
}
