/** Ends the run with one plain line that any tool can read: `N passed, N failed`. */
export default class ClosingLine {
  onRunComplete(_contexts, results) {
    // A file that does not even load counts as a failure.
    const failed = results.numFailedTests + results.numRuntimeErrorTestSuites;
    const skipped = results.numPendingTests > 0 ? `, ${results.numPendingTests} skipped` : '';
    // After everything else that has something to say.
    process.once('exit', () => {
      process.stdout.write(`${results.numPassedTests} passed, ${failed} failed${skipped}\n`);
    });
  }
}
