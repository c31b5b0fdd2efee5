package example;

import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;

/** A serializer of the function's own: everything is text in capitals. */
public class Upper implements CustomPojoSerializer {
    @Override
    @SuppressWarnings("unchecked")
    public <T> T fromJson(InputStream input, Type type) {
        try {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            for (int c = input.read(); c >= 0; c = input.read()) {
                bytes.write(Character.toUpperCase(c));
            }
            return (T) bytes.toString();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public <T> T fromJson(String input, Type type) {
        throw new UnsupportedOperationException();
    }

    @Override
    public <T> void toJson(T value, OutputStream output, Type type) {
        try {
            output.write(("\"" + type + "\"").getBytes());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }
}
