/** Does everything that can be done, as everybody, to what is the customer's and to nothing. */
import { type GraphQLObjectType, getNamedType, isLeafType } from 'graphql';
import { type TestDatabase, tableHashes } from '../../support/database.ts';
import { createMember, createProvider, createUser } from '../../support/factories.ts';
import { DEAD, type Dead, LIVE, type Live, type Verdict } from './callers.ts';
import { type Deed, MUTATIONS } from './mutations.ts';
import { selectionOf } from './rows.ts';
import type { Scene, Somebody } from './scene.ts';
import { isTurnedAway, post, type Served, told } from './served.ts';
import { absent } from './values.ts';
import { difference, type Findings } from './verdicts.ts';

type Told = ReturnType<typeof told>;

export async function checkMutation(served: Served, name: string): Promise<Findings> {
  const deed = MUTATIONS[name];
  const field = served.schema.getMutationType()?.getFields()[name];
  if (!deed || !field) return [`Mutation.${name}: not there, or not declared`];
  const document = documentOf(served, name);
  return [
    ...(await checkRefused(served, name, deed, document)),
    ...(await checkDone(served, name, deed, document)),
  ];
}

function documentOf({ schema }: Served, name: string): string {
  const field = schema.getMutationType()?.getFields()[name];
  if (!field) throw new Error(`There is no mutation ${name}.`);
  const payload = getNamedType(field.type) as GraphQLObjectType;
  const parts = Object.values(payload.getFields())
    .filter(({ name: part }) => part !== 'query')
    .map(({ name: part, type }) => {
      const named = getNamedType(type);
      if (isLeafType(named)) return part;
      return part.endsWith('Edge') ? `${part} { node { nodeId } }` : `${part} ${selectionOf(type)}`;
    });
  const [argument] = field.args;
  const head = argument ? `($input: ${argument.type})` : '';
  const call = argument ? '(input: $input)' : '';
  return `mutation ${head} { q: ${name} ${call} { ${parts.join(' ')} } }`;
}

function verdictOf({ data, errors }: Told, deed: Deed): Verdict {
  if (errors[0]) return errors[0].code;
  const { result } = (data ?? {}) as { result?: unknown };
  if (deed.counts) return Number(result) > 0 ? 'yes' : 'nothing';
  return data ? 'yes' : 'nothing';
}

/** Whoever may not, all at the same thing; after which it is as it was. */
async function checkRefused(
  { world, scene, ask }: Served,
  name: string,
  deed: Deed,
  document: string,
): Promise<Findings> {
  const input = await world.change((db) => deed.input(db, scene, undefined));
  const before = await world.change(hashes);
  const call = (caller: Live | Dead, values: object) => ask(caller, document, { input: values });
  const refused = LIVE.filter((caller) => deed.rule[caller] !== 'yes').map(
    async (caller): Promise<Findings> => {
      const found = told(await call(caller, input), 'q');
      const nothing = told(await call(caller, absent(input)), 'q');
      const verdict = verdictOf(found, deed);
      const where = `Mutation.${name} for ${caller}`;
      const expected = deed.rule[caller];
      return [
        ...(verdict === expected ? [] : [`${where}: ${verdict}, not ${expected}`]),
        ...difference(where, found, nothing),
      ];
    },
  );
  const turnedAway = DEAD.map(async (caller): Promise<Findings> => {
    const away = isTurnedAway(await call(caller, input));
    return away ? [] : [`Mutation.${name} for ${caller}: not turned away`];
  });
  const findings = (await Promise.all([...refused, ...turnedAway])).flat();
  const changed = changes(before, await world.change(hashes));
  return [
    ...findings,
    ...changed.map((table) => `Mutation.${name}: refused, but changed ${table}`),
  ];
}

async function checkDone(
  served: Served,
  name: string,
  deed: Deed,
  document: string,
): Promise<Findings> {
  const allowed = LIVE.filter((caller) => deed.rule[caller] === 'yes');
  const doneBy = (caller: Live) => checkDoneBy(served, { name, deed, document, caller });
  // These take their time, lest it tell anything; and one does not come in the way of another.
  if (deed.discreet) return (await Promise.all(allowed.map(doneBy))).flat();
  const findings: Findings = [];
  for (const caller of allowed) findings.push(...(await doneBy(caller)));
  return findings;
}

interface Attempt {
  name: string;
  deed: Deed;
  document: string;
  caller: Live;
}

async function checkDoneBy(
  { world, scene }: Served,
  { name, deed, document, caller }: Attempt,
): Promise<Findings> {
  const userId = await world.change((db) => actorFor(db, scene, caller, deed));
  const ask = async (values: object) => {
    const authorization = userId && `Bearer ${await world.tokenFor(userId)}`;
    const body = JSON.stringify({ query: document, variables: { input: values } });
    return told(await post(world, body, authorization ? { authorization } : {}), 'q');
  };
  const input = await world.change((db) => deed.input(db, scene, userId));
  const where = `Mutation.${name} for ${caller}`;
  const findings: Findings = [];
  if (deed.secret) {
    const { errors } = await ask(absent(input));
    const code = errors[0]?.code;
    if (code !== deed.secret) findings.push(`${where} without the secret: ${code}`);
  }
  const before = await world.change(hashes);
  const found = await ask(input);
  const verdict = verdictOf(found, deed);
  if (verdict !== 'yes') findings.push(`${where}: ${verdict} (${found.errors[0]?.message})`);
  if (!QUIET.has(name) && changes(before, await world.change(hashes)).length === 0) {
    findings.push(`${where}: changed nothing`);
  }
  if (deed.discreet) findings.push(...difference(where, found, await ask(absent(input))));
  return findings;
}

/**
 * With nothing due there is nothing to do; an anonymous sign-out ends no session; a look-up that finds
 * something is not even counted.
 */
const QUIET = new Set([
  ...['autoCancelNow', 'expireDue', 'expireOverdueBookings', 'lookUpBooking', 'signOut'],
]);

/** Who does it: the caller, or somebody just like them, if it would be their last deed. */
export async function actorFor(
  db: TestDatabase,
  scene: Scene,
  caller: Live,
  deed: Deed,
): Promise<string | undefined> {
  if (caller === 'anonymous') return undefined;
  return deed.byTwin ? createTwin(db, scene, caller) : scene.users[caller];
}

async function createTwin(db: TestDatabase, scene: Scene, caller: Somebody): Promise<string> {
  const id = await createUser(db, 'Twin', { is_admin: caller === 'admin' });
  const { organizationId, otherOrganizationId, right, leftRoom } = scene;
  if (caller === 'keeper') await createMember(db, organizationId, id, 'manager', [right]);
  if (caller === 'provider') await createProvider(db, organizationId, id, leftRoom);
  if (caller === 'manager') await createMember(db, organizationId, id, 'manager');
  if (caller === 'head') await createMember(db, organizationId, id, 'owner');
  if (caller === 'foreign') await createMember(db, otherOrganizationId, id, 'owner');
  return id;
}

/** The server dispatches while it is asked. */
const hashes = (db: TestDatabase) => tableHashes(db, { marks: false });

const changes = (before: Record<string, string>, after: Record<string, string>): string[] =>
  Object.keys(after).filter((table) => before[table] !== after[table]);
