package dormouse.runtime.json;

import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;

/**
 * A class with its type arguments: what is left of a {@link Type} once variables and wildcards have
 * been replaced by what they stand for, or by their bounds.
 */
public final class JavaType {
    private static final JavaType[] NONE = {};

    /** The class. */
    public final Class<?> raw;

    /** One for each of the class's type parameters, or none. */
    private final JavaType[] arguments;

    private JavaType(Class<?> raw, JavaType[] arguments) {
        this.raw = raw;
        this.arguments = arguments;
    }

    /** A class without type arguments. */
    public static JavaType of(Class<?> raw) {
        return new JavaType(raw, NONE);
    }

    /** A type, with variables of `owner` (which may be null) standing for the owner's arguments. */
    public static JavaType of(Type type, JavaType owner) {
        if (type instanceof Class) {
            return of((Class<?>) type);
        }
        if (type instanceof ParameterizedType) {
            Type[] actual = ((ParameterizedType) type).getActualTypeArguments();
            JavaType[] arguments = new JavaType[actual.length];
            for (int i = 0; i < actual.length; i++) {
                arguments[i] = of(actual[i], owner);
            }
            return new JavaType((Class<?>) ((ParameterizedType) type).getRawType(), arguments);
        }
        if (type instanceof TypeVariable) {
            return variable((TypeVariable<?>) type, owner);
        }
        if (type instanceof WildcardType) {
            return of(((WildcardType) type).getUpperBounds()[0], owner);
        }
        JavaType element = of(((GenericArrayType) type).getGenericComponentType(), owner);
        Class<?> array = java.lang.reflect.Array.newInstance(element.raw, 0).getClass();
        return new JavaType(array, new JavaType[] {element});
    }

    private static JavaType variable(TypeVariable<?> variable, JavaType owner) {
        if (owner != null) {
            TypeVariable<?>[] parameters = owner.raw.getTypeParameters();
            for (int i = 0; i < parameters.length && i < owner.arguments.length; i++) {
                if (parameters[i].equals(variable)) {
                    return owner.arguments[i];
                }
            }
        }
        Type bound = variable.getBounds()[0];
        // `T extends Comparable<T>` would never end.
        return bound instanceof ParameterizedType ? of((Class<?>) ((ParameterizedType) bound).getRawType()) : of(bound, owner);
    }

    /** The type argument at an index; Object where the type is raw. */
    public JavaType argument(int index) {
        return index < arguments.length ? arguments[index] : of(Object.class);
    }

    /** True if there are type arguments. */
    public boolean isParameterized() {
        return arguments.length > 0;
    }

    /** What an array holds. */
    public JavaType element() {
        return arguments.length > 0 ? arguments[0] : of(raw.getComponentType());
    }

    /** This type seen as one of its superclasses or interfaces; null if it is none of its. */
    public JavaType as(Class<?> ancestor) {
        if (raw == ancestor) {
            return this;
        }
        if (!ancestor.isAssignableFrom(raw)) {
            return null;
        }
        for (Type parent : raw.getGenericInterfaces()) {
            JavaType found = of(parent, this).as(ancestor);
            if (found != null) {
                return found;
            }
        }
        Type parent = raw.getGenericSuperclass();
        return parent == null ? null : of(parent, this).as(ancestor);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof JavaType
                && raw == ((JavaType) other).raw
                && Arrays.equals(arguments, ((JavaType) other).arguments);
    }

    @Override
    public int hashCode() {
        return raw.hashCode() * 31 + Arrays.hashCode(arguments);
    }

    @Override
    public String toString() {
        return raw.getName();
    }
}
