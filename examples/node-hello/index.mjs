// Greets, and shows what a function can learn about its own invocation. An ES module: `handler` is
// exported, and top-level code (here: `started`) runs once per execution environment.
const started = new Date().toISOString();

export const handler = async (event, context) => {
  console.log(`greeting ${event.name ?? "the world"}`);
  return {
    greeting: `Hello, ${event.name ?? "world"}!`,
    event,
    environmentStarted: started,
    context: {
      awsRequestId: context.awsRequestId,
      functionName: context.functionName,
      functionVersion: context.functionVersion,
      invokedFunctionArn: context.invokedFunctionArn,
      memoryLimitInMB: context.memoryLimitInMB,
      logGroupName: context.logGroupName,
      logStreamName: context.logStreamName,
      remainingTimeMs: context.getRemainingTimeInMillis(),
    },
  };
};
