using System;
using System.IO;
using System.Reflection;

namespace Dormouse.Runtime
{
    /// <summary>
    /// Finds the function's assemblies. Packages made by `dotnet publish` name them in a file that
    /// the host reads; what is not named there is looked for beside the function. When
    /// Amazon.Lambda.Core arrives, its logger is connected to the log.
    /// </summary>
    internal static class Assemblies
    {
        private const string Core = "Amazon.Lambda.Core";

        public static void Open(string taskRoot)
        {
            AppDomain.CurrentDomain.AssemblyResolve += (sender, wanted) =>
            {
                var name = new AssemblyName(wanted.Name);
                var culture = string.IsNullOrEmpty(name.CultureName) ? taskRoot : Path.Combine(taskRoot, name.CultureName);
                var path = Path.Combine(culture, name.Name + ".dll");
                return File.Exists(path) ? Assembly.LoadFrom(path) : null;
            };
            AppDomain.CurrentDomain.AssemblyLoad += (sender, loaded) =>
            {
                if (loaded.LoadedAssembly.GetName().Name == Core)
                {
                    ConnectLogger(loaded.LoadedAssembly);
                }
            };
        }

        private static void ConnectLogger(Assembly core)
        {
            var logger = core.GetType("Amazon.Lambda.Core.LambdaLogger");
            if (logger == null)
            {
                return;
            }
            // Without a level: libraries that use this one put theirs into the message.
            Action<string> plain = message => Log.Write(null, null, message);
            Action<string, string, object[]> levelled = (level, message, arguments) => Log.Write(level, null, message, arguments);
            Action<string, Exception, string, object[]> failed =
                (level, exception, message, arguments) => Log.Write(level, exception, message, arguments);
            Set(logger, "_loggingAction", plain);
            Set(logger, "_loggingWithLevelAction", levelled);
            Set(logger, "_loggingWithLevelAndExceptionAction", failed);
        }

        /// <summary>Older versions lack some of the fields.</summary>
        private static void Set(Type logger, string name, Delegate action)
        {
            var field = logger.GetField(name, BindingFlags.NonPublic | BindingFlags.Static);
            if (field != null && field.FieldType.IsInstanceOfType(action))
            {
                field.SetValue(null, action);
            }
        }
    }
}
