package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import java.io.ByteArrayOutputStream;

/** A function, whatever its form: the bytes of an event in, the bytes of a response out. */
interface Handler {
    /**
     * Handles one event.
     *
     * @throws Throwable what the function throws, or a {@link Fault} if it could not be loaded
     */
    void call(byte[] event, ByteArrayOutputStream response, Context context) throws Throwable;
}
