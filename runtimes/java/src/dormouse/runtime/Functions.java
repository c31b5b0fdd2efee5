package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import dormouse.runtime.json.JavaType;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * From the handler setting to something that can be called.
 *
 * `package.Class` implements one of the two interfaces; `package.Class::method` is any public
 * method with one of the documented signatures, the longest first and those with a context before
 * others. A function that cannot be loaded becomes a handler that says so at each event, as on
 * Lambda; only code that throws while it is loaded or constructed fails the init phase.
 *
 * Source: AWS Lambda Developer Guide, "Define Lambda function handler in Java". Written without lambda
 * expressions, as the whole start is: the first one costs 15 ms where it is in no archive.
 */
final class Functions {
    private static final byte[] NULL = "null".getBytes(StandardCharsets.US_ASCII);

    private final ClassLoader loader;

    private Functions(ClassLoader loader) {
        this.loader = loader;
    }

    /**
     * Loads the function.
     *
     * @throws Fault if its code failed while it was loaded
     */
    static Handler load(String setting, ClassLoader loader) {
        try {
            return new Functions(loader).load(setting == null ? "" : setting);
        } catch (Fault fault) {
            if (fault.isFatal) {
                throw fault;
            }
            return new Broken(fault);
        }
    }

    private Handler load(String setting) {
        int colons = setting.lastIndexOf("::");
        String className = colons < 0 ? setting : setting.substring(0, colons);
        String method = colons < 0 ? null : setting.substring(colons + 2);
        if (className.isEmpty() || (method != null && method.isEmpty())) {
            throw Fault.of("Invalid handler: `" + setting + "'");
        }
        Class<?> type = type(className);
        return method == null ? ofInterface(type) : ofMethod(type, method);
    }

    private Class<?> type(String className) {
        try {
            return Class.forName(className, true, loader);
        } catch (ClassNotFoundException e) {
            throw Fault.classNotFound(e, className);
        } catch (Throwable e) {
            throw Fault.classNotLoaded(e, className);
        }
    }

    private Handler ofInterface(Class<?> type) {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            RequestStreamHandler function = (RequestStreamHandler) instance(type);
            return new Handler() {
                @Override
                public void call(byte[] event, ByteArrayOutputStream response, Context context) throws Throwable {
                    function.handleRequest(new ByteArrayInputStream(event), response, context);
                }
            };
        }
        if (!RequestHandler.class.isAssignableFrom(type)) {
            throw Fault.of("Class does not implement an appropriate handler interface: " + type.getName());
        }
        JavaType form = JavaType.of(type).as(RequestHandler.class);
        checkParameters(type, form);
        @SuppressWarnings("unchecked")
        RequestHandler<Object, Object> function = (RequestHandler<Object, Object>) instance(type);
        return new ObjectHandler(loader, form.argument(0), form.argument(1), genericArguments(type)) {
            @Override
            Object handle(Object input, Context context) {
                return function.handleRequest(input, context);
            }
        };
    }

    /** A type parameter that nothing is known about cannot be read from JSON. */
    private static void checkParameters(Class<?> type, JavaType form) {
        if (!form.isParameterized()) {
            throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        for (TypeVariable<?> parameter : type.getTypeParameters()) {
            if (parameter.getBounds()[0] == Object.class) {
                throw Fault.of("Class " + type.getName() + " does not implement RequestHandler with concrete type parameters: parameter "
                        + parameter + " has no upper bound.");
            }
        }
    }

    /** The types as the function's own serializer wants them; null where only an ancestor knows. */
    private static Type[] genericArguments(Class<?> type) {
        for (Type parent : type.getGenericInterfaces()) {
            if (parent instanceof ParameterizedType && ((ParameterizedType) parent).getRawType() == RequestHandler.class) {
                return ((ParameterizedType) parent).getActualTypeArguments();
            }
        }
        return null;
    }

    private Handler ofMethod(Class<?> type, String name) {
        List<Method> overloads = new ArrayList<>();
        try {
            for (Method method : type.getMethods()) {
                if (method.getName().equals(name)) {
                    overloads.add(method);
                }
            }
        } catch (NoClassDefFoundError e) {
            throw Fault.methodNotLoaded(e, name, type.getName());
        }
        Collections.sort(overloads, new Comparator<Method>() {
            @Override
            public int compare(Method a, Method b) {
                return Integer.compare(rank(b), rank(a));
            }
        });
        for (Method method : overloads) {
            Handler handler = ofOverload(type, method);
            if (handler != null) {
                return handler;
            }
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + type.getName());
    }

    /** What the source says before what the compiler added, long before short, a context counts twice. */
    private static int rank(Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        boolean hasContext = parameters.length > 0 && parameters[parameters.length - 1] == Context.class;
        return (method.isBridge() ? 0 : 1000) + parameters.length + (hasContext ? 1 : 0);
    }

    /** A handler if the signature is one of those that Lambda knows; else null, with a word on why. */
    private Handler ofOverload(Class<?> type, Method method) {
        Class<?>[] parameters = method.getParameterTypes();
        int count = parameters.length;
        boolean hasContext = count > 0 && parameters[count - 1] == Context.class;
        int rest = hasContext ? count - 1 : count;
        boolean reads = rest > 0 && parameters[0] == InputStream.class;
        boolean writes = rest > 0 && parameters[rest - 1] == OutputStream.class;
        if (reads || writes) {
            if (rest == (reads ? 1 : 0) + (writes ? 1 : 0)) {
                return ofStreams(type, method, reads, writes, hasContext);
            }
            return ignored(count, reads
                    ? "second parameter type, " + parameters[1].getName() + ", is not OutputStream."
                    : "argument signature is not (InputStream, OutputStream, Context)");
        }
        if (rest <= 1) {
            return ofObjects(type, method, rest == 1, hasContext);
        }
        if (count > 3) {
            System.err.println("Ignoring an overload of method " + method.getName()
                    + " because it has too many parameters: Expected at most 3, got " + count);
            return null;
        }
        return ignored(count, count == 2
                ? parameters[0] == Context.class
                        ? "first argument type is Context"
                        : "second parameter type is not Context"
                : "argument signature is not (InputStream, OutputStream, Context");
    }

    private static Handler ignored(int count, String why) {
        System.err.println("Ignoring " + (count == 2 ? "two" : "three") + "-argument overload because " + why);
        return null;
    }

    private Handler ofStreams(Class<?> type, Method method, boolean reads, boolean writes, boolean hasContext) {
        if (method.getReturnType() != void.class && method.getReturnType() != Void.class) {
            System.err.println("Will ignore return type " + method.getReturnType() + " on byte stream handler");
        }
        Object instance = instanceFor(type, method);
        return new Handler() {
            @Override
            public void call(byte[] event, ByteArrayOutputStream response, Context context) throws Throwable {
                List<Object> arguments = new ArrayList<>(3);
                if (reads) {
                    arguments.add(new ByteArrayInputStream(event));
                }
                if (writes) {
                    arguments.add(response);
                }
                if (hasContext) {
                    arguments.add(context);
                }
                invoke(method, instance, arguments.toArray());
                if (!writes) {
                    response.write(NULL);
                }
            }
        };
    }

    private Handler ofObjects(Class<?> type, Method method, boolean hasInput, boolean hasContext) {
        Object instance = instanceFor(type, method);
        Type input = hasInput ? method.getGenericParameterTypes()[0] : null;
        Type output = method.getGenericReturnType();
        JavaType owner = JavaType.of(type).as(method.getDeclaringClass());
        return new ObjectHandler(
                loader, hasInput ? JavaType.of(input, owner) : null, JavaType.of(output, owner), new Type[] {input, output}) {
            @Override
            Object handle(Object event, Context context) throws Throwable {
                if (hasInput) {
                    return hasContext ? invoke(method, instance, event, context) : invoke(method, instance, event);
                }
                return hasContext ? invoke(method, instance, context) : invoke(method, instance);
            }
        };
    }

    private static Object invoke(Method method, Object instance, Object... arguments) throws Throwable {
        try {
            return method.invoke(instance, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }

    private static Object instanceFor(Class<?> type, Method method) {
        return Modifier.isStatic(method.getModifiers()) ? null : instance(type);
    }

    /**
     * Constructs the function's object.
     *
     * @throws Fault fatal if the constructor threw, not fatal if there is none to call
     */
    private static Object instance(Class<?> type) {
        try {
            return constructor(type).newInstance();
        } catch (InvocationTargetException e) {
            throw Fault.of(e.getCause() == null ? e : e.getCause(), true);
        } catch (InstantiationException e) {
            throw Fault.of(e.getCause() == null ? e : e.getCause(), false);
        } catch (IllegalAccessException e) {
            throw Fault.of(e, false);
        } catch (LinkageError e) {
            throw Fault.of(e, true);
        }
    }

    private static Constructor<?> constructor(Class<?> type) {
        try {
            return type.getConstructor();
        } catch (NoSuchMethodException e) {
            boolean isInner = type.getEnclosingClass() != null && !Modifier.isStatic(type.getModifiers());
            String message = isInner
                    ? "Class " + type.getName() + " cannot be instantiated because it is a non-static inner class"
                    : "Class " + type.getName() + " has no public zero-argument constructor";
            throw Fault.of(isInner ? new Exception(message) : new Exception(message, e), false);
        }
    }

    /** A function that could not be loaded. */
    private static final class Broken implements Handler {
        private final Fault fault;

        Broken(Fault fault) {
            this.fault = fault;
        }

        @Override
        public void call(byte[] event, ByteArrayOutputStream response, Context context) {
            throw fault;
        }
    }
}
