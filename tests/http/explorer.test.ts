import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from 'graphql';
import { type Stack, startStack } from '../support/stack.ts';

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ worker: false });
});

afterAll(() => stack?.stop());

describe('The explorer', () => {
  test('gets the whole schema with its descriptions, within the limits that hold for everybody', async () => {
    // What explorers send: every option on, types nested nine deep.
    const query = getIntrospectionQuery({
      descriptions: true,
      inputValueDeprecation: true,
      specifiedByUrl: true,
      typeDepth: 9,
    });
    const response = await fetch(`${stack.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
    });
    const body = (await response.json()) as { errors?: unknown; data: IntrospectionQuery };
    expect(body.errors).toBeUndefined();
    const schema = buildClientSchema(body.data);
    expect(schema.getMutationType()?.getFields().claimSlot?.description).toContain('Claims');
  });
});
