// Mocha adds what is configured to the files that are named: a file that is named runs alone.
const named = process.argv.slice(2).some((argument) => argument.endsWith(".test.ts"));

module.exports = {
  import: "tsx",
  ...(named ? {} : { spec: ["host-tests/**/*.test.ts"] }),
  timeout: 20_000,
  forbidOnly: true,
};
