// Functions on the managed Node.js runtime that show how their environment lives.
"use strict";

process.on("SIGTERM", () => {
  console.log("ended by SIGTERM");
  process.exit(0);
});

exports.stays = async (event) => {
  await new Promise((resolve) => setTimeout(resolve, (event.sleep ?? 0) * 1000));
  return "stayed";
};

exports.logs = async () => {
  console.warn("first line\nsecond line\nthird line");
};
