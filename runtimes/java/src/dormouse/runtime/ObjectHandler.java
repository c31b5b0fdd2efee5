package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import dormouse.runtime.json.JavaType;
import dormouse.runtime.json.ObjectReader;
import dormouse.runtime.json.ObjectWriter;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Iterator;
import java.util.ServiceLoader;

/**
 * A function on objects: the event is read from JSON before it, its result written as JSON after.
 *
 * Functions may bring a serializer of their own, as a service; then that one does both.
 */
abstract class ObjectHandler implements Handler {
    private final JavaType input;
    private final boolean isVoid;
    private final Type[] genericTypes;
    private final CustomPojoSerializer custom;

    /** `input` is null where the function takes no event. */
    ObjectHandler(ClassLoader loader, JavaType input, JavaType output, Type[] genericTypes) {
        this.input = input;
        this.isVoid = output.raw == void.class || output.raw == Void.class;
        this.genericTypes = genericTypes == null
                ? new Type[] {input == null ? null : input.raw, output.raw}
                : genericTypes;
        this.custom = customSerializer(loader);
    }

    /** Runs the function. */
    abstract Object handle(Object input, Context context) throws Throwable;

    @Override
    public final void call(byte[] event, ByteArrayOutputStream response, Context context) throws Throwable {
        Object argument = null;
        if (input != null) {
            try {
                argument = read(event);
            } catch (Throwable e) {
                throw new RuntimeException("An error occurred during JSON parsing", Fault.cut(e));
            }
        }
        Object result = handle(argument, context);
        try {
            write(isVoid ? null : result, response);
        } catch (Throwable e) {
            throw new RuntimeException("An error occurred during JSON serialization of response", e);
        }
    }

    private Object read(byte[] event) {
        if (custom != null) {
            return custom.fromJson(new ByteArrayInputStream(event), genericTypes[0]);
        }
        return ObjectReader.read(new String(event, StandardCharsets.UTF_8), input);
    }

    private void write(Object result, ByteArrayOutputStream response) throws Exception {
        if (custom != null && !isVoid) {
            custom.toJson(result, response, genericTypes[1]);
        } else {
            response.write(ObjectWriter.write(result).getBytes(StandardCharsets.UTF_8));
        }
    }

    private static CustomPojoSerializer customSerializer(ClassLoader loader) {
        // Asked first because the service machinery is slow to start and almost nobody has one.
        if (loader.getResource("META-INF/services/" + CustomPojoSerializer.class.getName()) == null) {
            return null;
        }
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        CustomPojoSerializer serializer = found.hasNext() ? found.next() : null;
        if (found.hasNext()) {
            throw Fault.of("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        return serializer;
    }
}
