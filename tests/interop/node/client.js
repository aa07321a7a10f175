'use strict';
// The Node.js SDK's test client; arguments and output as in tests/interop/lib/sdk_client.py.

const readline = require('node:readline');
const { parseArgs } = require('node:util');
const { Producer, SimpleConsumer, PushConsumer, ConsumeResult, FilterExpression } = require('rocketmq-client-nodejs');
const { FilterType, TransactionResolution } = require('rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb');

const IN_FLIGHT = 64; // sends without an answer
const RECEIVERS = 4; // parallel long polls of the simple consumer
const INVISIBLE_MS = 20_000;

const emit = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

function emitReceived(message) {
  emit('received', { id: message.messageId, body: message.body.toString(), attempt: message.deliveryAttempt });
}

async function emitError(error) {
  emit('error', { text: `${error.name}: ${error.message}` });
  await pause(200);
}

function nextInputLine() {
  return new Promise(resolve => readline.createInterface({ input: process.stdin }).once('line', resolve));
}

// Runs work(number) for from <= number < to, at most `parallel` at a time.
async function forEachParallel(from, to, parallel, work) {
  let next = from;
  const worker = async () => {
    while (next < to) await work(next++);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

async function produce(options) {
  const producer = new Producer({ endpoints: options.endpoint, namespace: '', topics: [ options.topic ] });
  await producer.startup();
  emit('ready');

  // Sends one message until it is acknowledged: an application that cannot lose it does the same.
  const send = async number => {
    const body = `${options.prefix}-${number}`;
    for (;;) {
      try {
        const receipt = await producer.send({
          topic: options.topic, tag: 'interop', keys: [ body ], body: Buffer.from(body),
          properties: new Map([[ 'number', String(number) ]]),
        });
        emit('sent', { id: receipt.messageId, body });
        return;
      } catch (error) {
        await emitError(error);
      }
    }
  };
  if (options.pauseAt > 0) {
    await forEachParallel(0, options.pauseAt, IN_FLIGHT, send);
    emit('paused');
    await nextInputLine();
  }
  await forEachParallel(options.pauseAt, options.count, IN_FLIGHT, send);
  emit('done');
  return producer;
}

function subscriptions(options) {
  return new Map([[ options.topic, options.sql ? new FilterExpression(options.sql, FilterType.SQL) : '*' ]]);
}

async function consumeSimple(options) {
  const consumer = new SimpleConsumer({
    endpoints: options.endpoint, namespace: '', consumerGroup: options.group,
    subscriptions: subscriptions(options), awaitDuration: 10_000,
  });
  await consumer.startup();
  emit('ready');
  const seen = new Set();

  const receiveAndAck = async () => {
    while (seen.size < options.count) {
      try {
        const messages = await consumer.receive(32, INVISIBLE_MS);
        await Promise.all(messages.map(async message => {
          await consumer.ack(message);
          emitReceived(message);
          seen.add(message.body.toString());
        }));
      } catch (error) {
        await emitError(error);
      }
    }
  };
  // The first receiver that finds everything seen ends the wait; the others may still be in a long poll.
  await Promise.race(Array.from({ length: RECEIVERS }, receiveAndAck));
  emit('done');
  return consumer;
}

async function consumePush(options) {
  const seen = new Set();
  let allSeen;
  const done = new Promise(resolve => { allSeen = resolve; });
  const consumer = new PushConsumer({
    endpoints: options.endpoint, namespace: '', consumerGroup: options.group,
    subscriptions: subscriptions(options),
    messageListener: {
      async consume(message) {
        emitReceived(message);
        seen.add(message.body.toString());
        if (seen.size >= options.count) allSeen();
        return ConsumeResult.SUCCESS;
      },
    },
  });
  await consumer.startup();
  emit('ready');
  await done;
  emit('done');
  return consumer;
}

async function transact(options) {
  const resolution = {
    commit: TransactionResolution.COMMIT,
    rollback: TransactionResolution.ROLLBACK,
    unknown: TransactionResolution.TRANSACTION_RESOLUTION_UNSPECIFIED,
  }[options.answer];
  const producer = new Producer({
    endpoints: options.endpoint, namespace: '', topics: [ options.topic ],
    checker: {
      async check(message) {
        emit('check', { id: message.messageId, body: message.body.toString() });
        return resolution;
      },
    },
  });
  await producer.startup();
  emit('ready');
  if (options.body) {
    const transaction = producer.beginTransaction();
    const message = { topic: options.topic, tag: 'interop', body: Buffer.from(options.body) };
    const receipt = await producer.send(message, transaction);
    emit('sent', { id: receipt.messageId, body: options.body });
    if (options.ending === 'commit') await transaction.commit();
    if (options.ending === 'rollback') await transaction.rollback();
  }
  emit('done');
  await new Promise(resolve => process.stdin.once('end', resolve).resume());
  return producer;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries(
      [ 'endpoint', 'topic', 'group', 'sql', 'prefix', 'count', 'pause-at', 'body', 'ending', 'answer' ]
        .map(name => [ name, { type: 'string' } ])),
  });
  const options = { ...values, count: Number(values.count), pauseAt: Number(values['pause-at'] ?? 0) };
  const command = { produce, simple: consumeSimple, push: consumePush, transact }[positionals[0]];
  const client = await command(options);
  // An orderly shutdown waits for long polls that may last half a minute; the test has what it needs.
  await Promise.race([ client.shutdown(), pause(3000) ]);
  process.exit(0);
}

main().catch(error => {
  emit('error', { text: error.stack });
  process.exit(1);
});
