#!/bin/sh
# Starts a .NET function. $1 is the `dotnet` host, $2 the folder of this file. As on Lambda, the function's own
# configuration decides about frameworks and assemblies, and a handler without colons is a program that speaks the
# Runtime API itself.
dotnet=$1 runtime=$2 task=${LAMBDA_TASK_ROOT:-/var/task}

# The virtual machine cannot see the function's memory from within: it gets three quarters, as in any container.
: "${DOTNET_GCHeapHardLimit:=$(printf '%x' $((${AWS_LAMBDA_FUNCTION_MEMORY_SIZE:-128} * 786432)))}"
export DOTNET_GCHeapHardLimit
# No sockets and pipes for debuggers in the function's /tmp; profilers, which extensions bring, still work.
: "${DOTNET_EnableDiagnostics_IPC:=0}" "${DOTNET_EnableDiagnostics_Debugger:=0}"
export DOTNET_EnableDiagnostics_IPC DOTNET_EnableDiagnostics_Debugger
# Without the libraries for the world's languages, .NET refuses to start unless told to do without.
if [ -z "$DOTNET_SYSTEM_GLOBALIZATION_INVARIANT" ]; then
    set -- /usr/lib/libicuuc.so.* /usr/lib64/libicuuc.so.* /usr/lib/*/libicuuc.so.* "$task"/libicuuc.so.*
    for library; do
        [ -e "$library" ] && break
        library=
    done
    [ -n "$library" ] || export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
fi

case $_HANDLER in
*:*) ;;
*)
    program=$task/${_HANDLER%.dll}
    if [ -f "$program.dll" ]; then
        exec "$dotnet" exec "$program.dll"
    elif [ -f "$program" ]; then
        exec "$program"
    fi
    echo "Error: executable assembly $program.dll or binary $program not found." >&2
    exit 104
    ;;
esac

assembly=${LAMBDA_DOTNET_MAIN_ASSEMBLY:-${_HANDLER%%:*}}
assembly=${assembly%.dll}

# The only one of its kind in the package, or the assembly's own.
configuration() {
    [ -f "$task/$assembly.$1" ] && echo "$task/$assembly.$1" && return
    set -- "$task"/*."$1"
    [ $# = 1 ] && [ -f "$1" ] && echo "$1"
}

# Plain libraries have neither; they run on what the runtime itself runs on.
settings=$(configuration runtimeconfig.json) || settings=$runtime/dormouse_runtime.runtimeconfig.json
if dependencies=$(configuration deps.json); then
    exec "$dotnet" exec --depsfile "$dependencies" --runtimeconfig "$settings" "$runtime/dormouse_runtime.dll"
fi
exec "$dotnet" exec --runtimeconfig "$settings" "$runtime/dormouse_runtime.dll"
