using System;
using System.Collections.Generic;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Threading.Tasks;

namespace Dormouse.Runtime
{
    /// <summary>Finds a handler's method, by its name or by its whole signature, and says what is wrong with it.</summary>
    internal static class HandlerMethods
    {
        private const BindingFlags Any =
            BindingFlags.DeclaredOnly | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static;

        /// <summary>The method of the type or of a base type.</summary>
        public static MethodInfo Find(Type type, string name, string assembly)
        {
            for (var owner = type; owner != null; owner = owner.BaseType)
            {
                var found = new List<MethodInfo>();
                foreach (var candidate in owner.GetMethods(Any))
                {
                    if (candidate.Name == name || candidate.ToString() == name)
                    {
                        found.Add(candidate);
                    }
                }
                if (found.Count > 1)
                {
                    throw new LambdaValidationException(
                        "The method '{0}' in type '{1}' appears to have a number of overloads. To call this method please specify "
                        + "a complete method signature. Possible candidates are:\n{2}.",
                        name, owner.FullName, string.Join("\n", found));
                }
                if (found.Count == 1)
                {
                    CheckMethod(found[0]);
                    CheckType(type, found[0]);
                    return found[0];
                }
            }
            throw new LambdaValidationException(
                "Unable to find method '{0}' in type '{1}' from assembly '{2}': Found no methods matching method name '{3}'.",
                name, type.FullName, assembly, name);
        }

        /// <summary>What the method returns in the end: the result of its task, if it returns one; void for nothing.</summary>
        public static Type ResultOf(MethodInfo method)
        {
            for (var type = method.ReturnType; type != null; type = type.BaseType)
            {
                if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(Task<>))
                {
                    return type.GetGenericArguments()[0];
                }
            }
            return typeof(Task).IsAssignableFrom(method.ReturnType) ? typeof(void) : method.ReturnType;
        }

        private static void CheckMethod(MethodInfo method)
        {
            if (method.IsAbstract)
            {
                throw new LambdaValidationException(
                    "The method '{0}' cannot be used as a Lambda Handler because it is an abstract method. "
                    + "Handler methods cannot be abstract. Please specify a non-abstract handler method.", method);
            }
            if (method.IsGenericMethod)
            {
                throw new LambdaValidationException(
                    "The method '{0}' cannot be used as a Lambda Handler because it is a generic method. "
                    + "Handler methods cannot be generic. Please specify a non-generic handler method.", method);
            }
            if (method.ReturnType == typeof(void) && method.IsDefined(typeof(AsyncStateMachineAttribute), false))
            {
                throw new LambdaValidationException(
                    "The method '{0}' cannot be used as a Lambda Handler because it is an 'async void' method. "
                    + "Handler methods cannot be 'async void'. Please specify a method that is not 'async void'.", method);
            }
            var parameters = method.GetParameters();
            if (parameters.Length > 0 && parameters[parameters.Length - 1].IsDefined(typeof(ParamArrayAttribute), false))
            {
                throw new LambdaValidationException(
                    "The method '{0}' cannot be used as a Lambda Handler because it is a 'params' method. "
                    + "Please specify a method that does not use 'params'.", method);
            }
        }

        private static void CheckType(Type type, MethodInfo method)
        {
            if (type.IsGenericType)
            {
                throw new LambdaValidationException(
                    "The type '{0}' cannot be used as a Lambda Handler type because it is generic. Handler methods cannot be "
                    + "located in generic types. Please specify a handler method in a non-generic type.", type.FullName);
            }
            if (!method.IsStatic && type.IsAbstract)
            {
                throw new LambdaValidationException(
                    "The instance method '{0}' cannot be used as a Lambda Handler because its type '{1}' is abstract. "
                    + "Please either use a static handler or specify a type that is not abstract.", method, type.FullName);
            }
        }
    }
}
