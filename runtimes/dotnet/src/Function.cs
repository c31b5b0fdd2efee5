using System;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;

namespace Dormouse.Runtime
{
    /// <summary>
    /// From the handler setting <c>Assembly::Namespace.Class::Method</c> to something that can be called.
    ///
    /// A handler takes nothing, an input, a context, or both in this order, and returns nothing, a
    /// value, a Task or a Task of a value. Streams pass untouched; anything else goes through the
    /// function's serializer.
    ///
    /// Source: AWS Lambda Developer Guide, "Define Lambda function handler in C#"; the messages are those
    /// of Lambda's own runtime.
    /// </summary>
    internal sealed class Function
    {
        /// <summary>BindingFlags.DoNotWrapExceptions, which .NET has and the reference that this compiles against has not.</summary>
        private const BindingFlags Unwrapped = (BindingFlags)0x02000000;

        private const string ContextType = "Amazon.Lambda.Core.ILambdaContext";

        private readonly MethodInfo method;
        private readonly object instance;
        private readonly Serializer serializer;
        private readonly Type input;
        private readonly bool takesContext;

        private Function(MethodInfo method, object instance, Serializer serializer, Type input, bool takesContext)
        {
            this.method = method;
            this.instance = instance;
            this.serializer = serializer;
            this.input = input;
            this.takesContext = takesContext;
        }

        /// <summary>Loads the function and runs its constructors.</summary>
        public static Function Load(string handler)
        {
            var parts = Parts(handler);
            var assembly = LoadAssembly(parts[0]);
            var type = assembly.GetType(parts[1]);
            if (type == null)
            {
                throw new LambdaValidationException("Unable to load type '{0}' from assembly '{1}'.", parts[1], parts[0]);
            }
            var method = HandlerMethods.Find(type, parts[2], parts[0]);
            var parameters = method.GetParameters();
            var count = parameters.Length;
            if (count > 2)
            {
                throw new LambdaValidationException(
                    "Method '{0}' of type '{1}' is not supported: the method has more than 2 parameters.", method.Name, parts[1]);
            }
            var takesContext = count > 0 && parameters[count - 1].ParameterType.FullName == ContextType;
            if (count == 2 && !takesContext)
            {
                throw new LambdaValidationException(
                    "Method '{0}' of type '{1}' is not supported: the method has 2 parameters, but the second parameter is not of type '{2}'.",
                    method.Name, parts[1], ContextType);
            }
            var input = count > (takesContext ? 1 : 0) ? parameters[0].ParameterType : null;
            var serializer = new Serializer(method, assembly, parts[1]);
            serializer.Check(input, HandlerMethods.ResultOf(method));
            return new Function(method, Instance(type, method), serializer, input, takesContext);
        }

        /// <summary>Handles one event and writes the response.</summary>
        public void Invoke(Invocation invocation, Stream response)
        {
            var arguments = new object[(input == null ? 0 : 1) + (takesContext ? 1 : 0)];
            if (input != null)
            {
                arguments[0] = serializer.Read(new MemoryStream(invocation.Body), input);
            }
            if (takesContext)
            {
                arguments[arguments.Length - 1] = Context(invocation);
            }
            var result = method.Invoke(instance, Unwrapped, null, arguments, null);
            var task = result as Task;
            if (task != null)
            {
                task.GetAwaiter().GetResult();
                result = HandlerMethods.ResultOf(method) == typeof(void) ? null : task.GetType().GetProperty("Result").GetValue(task);
            }
            serializer.Write(result, HandlerMethods.ResultOf(method), response);
        }

        /// <summary>In a method of its own, so that the context's class is loaded for functions that take one only.</summary>
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static object Context(Invocation invocation)
        {
            return new InvocationContext(invocation);
        }

        private static string[] Parts(string handler)
        {
            const string Format = " The valid format is 'ASSEMBLY::TYPE::METHOD'.";
            if (string.IsNullOrEmpty(handler))
            {
                throw new LambdaValidationException("Empty lambda function handler." + Format);
            }
            var parts = handler.Split(new[] { "::" }, 3, StringSplitOptions.None);
            if (parts.Length != 3)
            {
                throw new LambdaValidationException("Invalid lambda function handler: '{0}'." + Format, handler);
            }
            var names = new[] { "assembly", "type", "method" };
            for (var i = 0; i < parts.Length; i++)
            {
                parts[i] = parts[i].Trim();
                if (parts[i].Length == 0)
                {
                    throw new LambdaValidationException(
                        "Invalid lambda function handler: '{0}', the {1} is missing." + Format, handler, names[i]);
                }
            }
            return parts;
        }

        private static Assembly LoadAssembly(string name)
        {
            try
            {
                return Assembly.Load(new AssemblyName(name));
            }
            catch (FileNotFoundException e)
            {
                throw new LambdaValidationException(
                    "Could not find the specified handler assembly with the file name '{0}'. "
                    + "The assembly should be located in the root of your uploaded .zip file.",
                    e.FileName);
            }
            catch (Exception e)
            {
                Log.Write("Error", e, null);
                throw new LambdaValidationException("Unable to load assembly '{0}'.", name);
            }
        }

        private static object Instance(Type type, MethodInfo method)
        {
            if (method.IsStatic)
            {
                // Static initialisers run now, in the init phase.
                RuntimeHelpers.RunClassConstructor(type.TypeHandle);
                return null;
            }
            try
            {
                return Activator.CreateInstance(type);
            }
            catch (TargetInvocationException e)
            {
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Capture(e.InnerException ?? e).Throw();
                throw;
            }
        }
    }
}
