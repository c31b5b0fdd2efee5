// What the SDKs' walks invoke: one answers, one fails, one streams.

exports.echo = async (event, context) => ({ event, version: context.functionVersion });

exports.fails = async () => {
  throw new RangeError("too far");
};

exports.streams = awslambda.streamifyResponse(async (event, stream) => {
  for (const word of event) stream.write(word);
  stream.end();
});
