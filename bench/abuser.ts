/** Sends one abuse after another until it is told to stop, and then tells how many. Runs as a thread of abuse.ts. */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { ABUSE, type AbuseRequest, freshAddress, sendAbuse } from './abuseRequests.ts';

export interface Abuser {
  port: number;
  /** Whether they all come from one address, or each from another. */
  addresses: 'one' | 'many';
  /** So many, if nothing else: then the next is sent when the last is answered. */
  perSecond?: number;
}

const CLIENTS = 4;

const { port, addresses, perSecond } = workerData as Abuser;
const requests = Object.values(ABUSE);
const agent = new Agent({ keepAlive: true });
const own = freshAddress();
const began = performance.now();
const state = { sent: 0, isOver: false };
parentPort?.once('message', () => {
  state.isOver = true;
});

async function abuse(): Promise<void> {
  while (!state.isOver) {
    const n = state.sent++;
    const due = perSecond ? began + (n * 1000) / perSecond : 0;
    if (due > performance.now()) await sleep(due - performance.now());
    const what = requests[n % requests.length] as AbuseRequest;
    await sendAbuse(agent, port, what, addresses === 'one' ? own : freshAddress());
  }
}

await Promise.all(Array.from({ length: CLIENTS }, abuse));
agent.destroy();
parentPort?.postMessage(state.sent);
