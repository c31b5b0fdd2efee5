package dormouse.runtime.json;

import java.lang.reflect.Field;
import java.lang.reflect.Method;

/**
 * Makes objects of classes that offer only constructors with many arguments whose names are not
 * known, as the vendor's S3 event does; their fields are set afterwards. The way is the one that
 * serialisation libraries use.
 */
final class Unconstructed {
    private Unconstructed() {}

    static Object instance(Class<?> raw) throws ReflectiveOperationException {
        Class<?> unsafe = Class.forName("sun.misc.Unsafe");
        Field field = unsafe.getDeclaredField("theUnsafe");
        field.setAccessible(true);
        Method allocate = unsafe.getMethod("allocateInstance", Class.class);
        return allocate.invoke(field.get(null), raw);
    }
}
