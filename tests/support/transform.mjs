import { stripTypeScriptTypes } from 'node:module';

// Types are blanked out in place, so lines and columns in stack traces and coverage stay exact.
export default {
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
};
