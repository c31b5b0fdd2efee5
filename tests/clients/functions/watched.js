// An ordinary function that knows nothing of extensions.
"use strict";

exports.works = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, (event.sleep ?? 0) * 1000));
  if (event.fail) throw new Error("told to fail");
  return "worked";
};
