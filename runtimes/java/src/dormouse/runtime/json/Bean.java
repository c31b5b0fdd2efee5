package dormouse.runtime.json;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What JSON sees of a class: its properties, and how an object of it is made.
 *
 * Properties are public fields, getters (`getX`, and `isX` for booleans) and setters of any
 * visibility, in the order of the fields and then of the methods, superclasses first. As on Lambda,
 * annotations do not count, and `getURL` is the property `URL`. Classes of `aws-lambda-java-events`
 * are written for JSON with other capitals than their own names, and some cannot be made in the
 * ordinary way; for them, capitals do not matter and fields count whatever their visibility.
 */
final class Bean {
    /** One property; at least one of reading and writing is there. */
    static final class Property {
        final String name;
        /** What to read it through: a method or a field; null if it cannot be read. */
        private AccessibleObject reader;
        /** What to write it through: a method or a field; null if it cannot be written. */
        private AccessibleObject writer;
        /** The type that is written. */
        JavaType type;

        Property(String name) {
            this.name = name;
        }

        boolean isReadable() {
            return reader != null;
        }

        boolean isWritable() {
            return writer != null;
        }

        Object get(Object bean) throws ReflectiveOperationException {
            return reader instanceof Method ? ((Method) reader).invoke(bean) : ((Field) reader).get(bean);
        }

        void set(Object bean, Object value) throws ReflectiveOperationException {
            if (value == null && type.raw.isPrimitive()) {
                return;
            }
            if (writer instanceof Method) {
                ((Method) writer).invoke(bean, value);
            } else {
                ((Field) writer).set(bean, value);
            }
        }
    }

    /** True for the event classes that the vendor publishes. */
    final boolean isEvent;

    private final JavaType type;
    private final Map<String, Property> properties = new LinkedHashMap<>();
    /** The components of a record, in order; null for any other class. */
    private final List<Property> components;

    private Constructor<?> constructor;

    Bean(JavaType type) {
        this.type = type;
        this.isEvent = isEvent(type.raw.getName());
        addFields(type);
        addMethods(type);
        this.components = isRecord(type.raw) ? components() : null;
        for (Iterator<Property> all = properties.values().iterator(); all.hasNext();) {
            Property property = all.next();
            if (!property.isReadable() && !property.isWritable()) {
                all.remove();
            }
        }
    }

    private static boolean isEvent(String name) {
        return name.startsWith("com.amazonaws.services.lambda.runtime.events.")
                || name.startsWith("com.amazonaws.services.s3.event.")
                || name.startsWith("com.amazonaws.services.dynamodbv2.model.")
                || name.startsWith("com.amazonaws.services.kinesis.model.");
    }

    Iterable<Property> properties() {
        return properties.values();
    }

    /** The property that a name in JSON means; null if there is none. */
    Property property(String name) {
        Property property = properties.get(name);
        if (property != null || !isEvent) {
            return property;
        }
        for (Property candidate : properties.values()) {
            if (candidate.name.equalsIgnoreCase(name)) {
                return candidate;
            }
        }
        return null;
    }

    /** Makes an object with these values; the values of what is not named stay as the class has them. */
    Object make(Map<Property, Object> values) throws ReflectiveOperationException {
        if (components != null) {
            return makeRecord(values);
        }
        Object bean = instance();
        for (Map.Entry<Property, Object> value : values.entrySet()) {
            value.getKey().set(bean, value.getValue());
        }
        return bean;
    }

    private Object instance() throws ReflectiveOperationException {
        if (constructor == null) {
            try {
                constructor = type.raw.getDeclaredConstructor();
                constructor.setAccessible(true);
            } catch (NoSuchMethodException e) {
                if (!isEvent) {
                    throw new JsonException("Cannot construct instance of `" + type.raw.getName()
                            + "` (no Creators, like default constructor, exist)");
                }
                return Unconstructed.instance(type.raw);
            }
        }
        if (Modifier.isAbstract(type.raw.getModifiers())) {
            throw new JsonException("Cannot construct instance of `" + type.raw.getName()
                    + "`: abstract types need to be mapped to concrete types");
        }
        return constructor.newInstance();
    }

    private Object makeRecord(Map<Property, Object> values) throws ReflectiveOperationException {
        Class<?>[] types = new Class<?>[components.size()];
        Object[] arguments = new Object[types.length];
        for (int i = 0; i < types.length; i++) {
            Property component = components.get(i);
            types[i] = component.type.raw;
            Object value = values.get(component);
            arguments[i] = value == null ? Scalars.zero(types[i]) : value;
        }
        if (constructor == null) {
            constructor = type.raw.getDeclaredConstructor(types);
            constructor.setAccessible(true);
        }
        return constructor.newInstance(arguments);
    }

    private void addFields(JavaType owner) {
        if (owner == null || owner.raw == Object.class) {
            return;
        }
        addFields(parent(owner));
        for (Field field : owner.raw.getDeclaredFields()) {
            int modifiers = field.getModifiers();
            if (Modifier.isStatic(modifiers) || Modifier.isTransient(modifiers) || field.isSynthetic()) {
                continue;
            }
            // A private field only fixes the property's place, until a method makes it one.
            Property property = named(field.getName());
            property.type = JavaType.of(field.getGenericType(), owner);
            if (isEvent || Modifier.isPublic(modifiers)) {
                open(field, field);
                property.reader = isEvent && !Modifier.isPublic(modifiers) ? null : field;
                property.writer = field;
            }
        }
    }

    private void addMethods(JavaType owner) {
        if (owner == null || owner.raw == Object.class) {
            return;
        }
        addMethods(parent(owner));
        for (Method method : owner.raw.getDeclaredMethods()) {
            if (Modifier.isStatic(method.getModifiers()) || method.isSynthetic() || method.isBridge()) {
                continue;
            }
            if (method.getParameterCount() == 0) {
                addGetter(owner, method);
            } else if (method.getParameterCount() == 1) {
                addSetter(owner, method);
            }
        }
    }

    private void addGetter(JavaType owner, Method method) {
        String name = method.getName();
        Class<?> result = method.getReturnType();
        boolean isQuestion = name.startsWith("is") && (result == boolean.class || result == Boolean.class);
        String rest = isQuestion ? name.substring(2) : name.startsWith("get") ? name.substring(3) : "";
        if (rest.isEmpty() || result == void.class || !Modifier.isPublic(method.getModifiers())) {
            return;
        }
        Property property = property(owner, decapitalized(rest), name);
        if (isQuestion && property.reader instanceof Method && ((Method) property.reader).getName().startsWith("get")) {
            return;
        }
        open(method, method);
        property.reader = method;
        if (property.type == null) {
            property.type = JavaType.of(method.getGenericReturnType(), owner);
        }
    }

    private void addSetter(JavaType owner, Method method) {
        String name = method.getName();
        if (!name.startsWith("set") || name.length() == 3) {
            return;
        }
        Property property = property(owner, decapitalized(name.substring(3)), "is" + name.substring(3));
        JavaType parameter = JavaType.of(method.getGenericParameterTypes()[0], owner);
        boolean isBetter = property.type == null || property.type.raw == parameter.raw || !(property.writer instanceof Method);
        if (isBetter) {
            open(method, method);
            property.writer = method;
            property.type = parameter;
        }
    }

    /** The property of that name; for a Boolean `isX` of an event class, the one of the field `isX`. */
    private Property property(JavaType owner, String name, String alias) {
        if (isEvent && !properties.containsKey(name)) {
            for (Property known : properties.values()) {
                if (known.name.equalsIgnoreCase(name) || known.name.equals(alias)) {
                    return known;
                }
            }
        }
        return named(name);
    }

    private Property named(String name) {
        Property property = properties.get(name);
        if (property == null) {
            property = new Property(name);
            properties.put(name, property);
        }
        return property;
    }

    /** Members that are not public anyway are made usable; the platform's own classes would refuse. */
    private static void open(AccessibleObject object, Member member) {
        if (!Modifier.isPublic(member.getModifiers()) || !Modifier.isPublic(member.getDeclaringClass().getModifiers())) {
            object.setAccessible(true);
        }
    }

    private static JavaType parent(JavaType owner) {
        return owner.raw.getGenericSuperclass() == null ? null : JavaType.of(owner.raw.getGenericSuperclass(), owner);
    }

    private static String decapitalized(String name) {
        boolean isShouted = name.length() > 1 && Character.isUpperCase(name.charAt(0)) && Character.isUpperCase(name.charAt(1));
        return isShouted ? name : name.substring(0, 1).toLowerCase(Locale.ROOT) + name.substring(1);
    }

    // Records came with Java 16, this code is compiled for 8: they are asked about by name.

    private static boolean isRecord(Class<?> raw) {
        return raw.getSuperclass() != null && raw.getSuperclass().getName().equals("java.lang.Record");
    }

    private List<Property> components() {
        List<Property> found = new ArrayList<>();
        try {
            Object[] components = (Object[]) Class.class.getMethod("getRecordComponents").invoke(type.raw);
            for (Object component : components) {
                Class<?> kind = component.getClass();
                String name = (String) kind.getMethod("getName").invoke(component);
                Method accessor = (Method) kind.getMethod("getAccessor").invoke(component);
                open(accessor, accessor);
                Property property = named(name);
                property.type = JavaType.of(accessor.getGenericReturnType(), type);
                property.reader = accessor;
                property.writer = accessor;
                found.add(property);
            }
        } catch (InvocationTargetException | NoSuchMethodException | IllegalAccessException e) {
            throw new JsonException("Cannot look into the record " + type, e);
        }
        return found;
    }
}
