import { setLogLevel } from '../../src/log.ts';

// Tests provoke warnings by the dozen. RESLOT_TEST_LOG=debug shows them.
setLogLevel(process.env.RESLOT_TEST_LOG ?? 'error');
