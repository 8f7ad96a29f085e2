/**
 * Puts the Node.js that `npm ci` has installed for this machine where npm's scripts find it. Runs
 * after each install, under whatever Node.js there is: nothing newer than version 16 in here.
 *
 * npm 11 has done so by then. npm 10 takes its link away again, together with the packages for other
 * machines, since those would have had the same one.
 */
import { existsSync, rmSync, symlinkSync } from 'node:fs';

const installed = `node-${process.platform}-${process.arch}/bin/node`;
const link = 'node_modules/.bin/node';

if (existsSync(`node_modules/${installed}`) && !existsSync(link)) {
  rmSync(link, { force: true });
  symlinkSync(`../${installed}`, link);
}
