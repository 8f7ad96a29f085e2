import { beginRun, dropLeftovers, ensureTemplate, type Run, TEST_SECRET_KEY } from './cluster.ts';

declare global {
  var reslotTestRun: Run | undefined;
}

export default async function globalSetup(): Promise<void> {
  const run = await beginRun();
  globalThis.reslotTestRun = run;
  process.env.RESLOT_TEST_ADMIN_URL = run.cluster.url();
  process.env.RESLOT_TEST_RUN = run.id;
  process.env.RESLOT_TEST_SECRET_KEY = TEST_SECRET_KEY;
  await dropLeftovers(run);
  try {
    process.env.RESLOT_TEST_TEMPLATE = await ensureTemplate(run);
  } catch (error) {
    // Tests without a database can still run; the others fail with this text.
    process.env.RESLOT_TEST_TEMPLATE_ERROR = (error as Error).message;
    process.stderr.write(`${process.env.RESLOT_TEST_TEMPLATE_ERROR}\n`);
  }
}
