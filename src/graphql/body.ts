/** Reads the body of a request, and refuses whatever cannot be one, in words and with a code. */
import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { LIMITS } from './bounds.ts';
import { sendRefusal } from './respond.ts';

const onlyJson: RequestHandler = (request, response, next) => {
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    sendRefusal(response, 405, 'RSARG', 'Requests to the API are sent by POST.');
  } else if (!request.is('application/json')) {
    // Forms cannot send this type to another site unasked, which is why it is the only one.
    sendRefusal(response, 415, 'RSARG', 'The content type of a request is application/json.');
  } else {
    next();
  }
};

/** What an answer may be written in, and what it is if the caller does not say. */
const ANSWERS = ['application/graphql-response+json', 'application/json'];

/** The library behind this would refuse without a code, and fail on a list that it cannot read. */
const onlyJsonBack: RequestHandler = (request, response, next) => {
  const type = ANSWERS.find((answer) => request.accepts(answer));
  if (type === undefined) {
    sendRefusal(response, 406, 'RSARG', `Answers are ${ANSWERS.join(' or ')}: accept one of them.`);
    return;
  }
  request.headers.accept = type;
  next();
};

const parse = express.json({ limit: LIMITS.bodyBytes, strict: true });

const unreadable: ErrorRequestHandler = (error, _request, response, next) => {
  const status = Number((error as { status?: unknown }).status);
  if (response.headersSent || !(status >= 400 && status < 500)) {
    next(error);
  } else if (status === 413) {
    const message = `A request has at most ${LIMITS.bodyBytes} bytes.`;
    sendRefusal(response, 413, 'RSARG', message);
  } else {
    sendRefusal(response, status, 'RSARG', 'The body of the request cannot be read as JSON.');
  }
};

const isMissing = (value: unknown) => value === undefined || value === null;

const checkShape: RequestHandler = (request, response, next) => {
  const body: unknown = request.body;
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    sendRefusal(response, 400, 'RSARG', 'A request is one JSON object; there are no batches.');
    return;
  }
  const { query, operationName, variables } = body as Record<string, unknown>;
  if (typeof query !== 'string') {
    sendRefusal(response, 400, 'RSARG', '`query` has to be a text.');
  } else if (!isMissing(operationName) && typeof operationName !== 'string') {
    sendRefusal(response, 400, 'RSARG', '`operationName` has to be a text.');
  } else if (!isMissing(variables) && (typeof variables !== 'object' || Array.isArray(variables))) {
    sendRefusal(response, 400, 'RSARG', '`variables` has to be an object.');
  } else {
    request.body = { query, operationName, variables };
    next();
  }
};

export const readBody = [onlyJson, onlyJsonBack, parse, unreadable, checkShape];
