#!/bin/sh
# Stands between the platform and the runtime, as AWS_LAMBDA_EXEC_WRAPPER asks for.
echo "wrapping $*"
export MINE=wrapped
exec "$@"
