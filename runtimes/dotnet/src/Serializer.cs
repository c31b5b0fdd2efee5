using System;
using System.IO;
using System.Reflection;

namespace Dormouse.Runtime
{
    /// <summary>
    /// The serializer that the function names with LambdaSerializerAttribute, on the method or else on
    /// the assembly. Without one, only streams pass. It is called by reflection: its interface comes
    /// with the function's package.
    /// </summary>
    internal sealed class Serializer
    {
        private const BindingFlags Unwrapped = (BindingFlags)0x02000000;
        private const string AttributeType = "Amazon.Lambda.Core.LambdaSerializerAttribute";
        private const string InterfaceType = "Amazon.Lambda.Core.ILambdaSerializer";

        private readonly MethodInfo method;
        private readonly string typeName;
        private readonly string assemblyName;
        private readonly object serializer;
        private readonly MethodInfo deserialize;
        private readonly MethodInfo serialize;

        public Serializer(MethodInfo method, Assembly assembly, string typeName)
        {
            this.method = method;
            this.typeName = typeName;
            assemblyName = assembly.GetName().Name;
            var attribute = Attribute(method.GetCustomAttributes(false)) ?? Attribute(assembly.GetCustomAttributes(false));
            if (attribute == null)
            {
                return;
            }
            var type = (Type)attribute.GetType().GetProperty("SerializerType").GetValue(attribute);
            if (type == null)
            {
                throw new LambdaValidationException("The 'SerializerType' property on attribute class '{0}' is not set.", AttributeType);
            }
            var constructor = type.GetConstructor(Type.EmptyTypes);
            if (constructor == null)
            {
                throw new LambdaValidationException(
                    "The indicated serializer '{0}' does not define a public zero-parameter constructor.", type.FullName);
            }
            var face = type.GetInterface(InterfaceType);
            if (face == null)
            {
                throw new LambdaValidationException(
                    "The '{0}' class is invalid: it does not implement the 'ILambdaSerializer' interface.", type.FullName);
            }
            serializer = constructor.Invoke(null);
            deserialize = face.GetMethod("Deserialize");
            serialize = face.GetMethod("Serialize");
        }

        /// <summary>Refuses a function whose types need a serializer that it does not name.</summary>
        public void Check(Type input, Type output)
        {
            if (input != null && input != typeof(Stream) && serializer == null)
            {
                throw Missing("deserialize input", input);
            }
            if (output != typeof(void) && !typeof(Stream).IsAssignableFrom(output) && serializer == null)
            {
                throw Missing("serialize output", output);
            }
        }

        /// <summary>The event as the method wants it.</summary>
        public object Read(Stream json, Type type)
        {
            if (type == typeof(Stream))
            {
                return json;
            }
            return deserialize.MakeGenericMethod(type).Invoke(serializer, Unwrapped, null, new object[] { json }, null);
        }

        /// <summary>Writes the method's result; nothing for void.</summary>
        public void Write(object result, Type type, Stream response)
        {
            if (type == typeof(void))
            {
                return;
            }
            var stream = result as Stream;
            if (typeof(Stream).IsAssignableFrom(type))
            {
                if (stream != null)
                {
                    stream.CopyTo(response);
                }
                return;
            }
            serialize.MakeGenericMethod(type).Invoke(serializer, Unwrapped, null, new[] { result, response }, null);
        }

        private static Attribute Attribute(object[] attributes)
        {
            foreach (Attribute attribute in attributes)
            {
                if (attribute.GetType().FullName == AttributeType)
                {
                    return attribute;
                }
            }
            return null;
        }

        private Exception Missing(string action, Type type)
        {
            return new LambdaValidationException(
                "Could not find the LambdaSerializerAttribute on the assembly '{0}' or method '{1}' while attempting to {2} data of type "
                + "'{3}'. To use types other than System.IO.Stream as input/output parameters, the assembly or Lambda function should be "
                + "annotated with {4}.",
                assemblyName, typeName + "." + method.Name, action, type.FullName, AttributeType);
        }
    }
}
