'use strict';
// The Node.js SDK's test client; arguments and output as in tests/interop/lib/sdk_client.py.

const readline = require('node:readline');
const { parseArgs } = require('node:util');
const { Producer, SimpleConsumer, PushConsumer, ConsumeResult, FilterExpression } = require('rocketmq-client-nodejs');
const { FilterType, TransactionResolution } = require('rocketmq-client-nodejs/proto/apache/rocketmq/v2/definition_pb');

const IN_FLIGHT = 64; // sends without an answer

const emit = (event, fields = {}) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
// Seconds, finer than a millisecond: the order of deliveries is read from it.
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

async function emitError(error) {
  emit('error', { text: `${error.name}: ${error.message}` });
  await pause(200);
}

function inputEnds() {
  return new Promise(resolve => process.stdin.once('end', resolve).resume());
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
  const send = async (number, messageGroup) => {
    const body = `${options.prefix}-${number}`;
    for (;;) {
      try {
        const receipt = await producer.send({
          topic: options.topic, tag: 'interop', keys: [ body ], body: Buffer.from(body),
          properties: new Map([[ 'number', String(number) ]]), messageGroup,
        });
        emit('sent', { id: receipt.messageId, body });
        if (options.work > 0) await pause(options.work);
        return;
      } catch (error) {
        await emitError(error);
      }
    }
  };
  if (options.groups > 0) {
    await Promise.all(Array.from({ length: options.groups }, async (_, group) => {
      for (let number = group; number < options.count; number += options.groups) {
        await send(number, `${options.prefix}-${group}`);
      }
    }));
    emit('done');
    return producer;
  }
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

// What a consumer does with its messages: works on them, and fails some.
class Application {
  constructor(options) {
    this.options = options;
    this.seen = new Set();
    this.done = new Promise(resolve => { this.end = resolve; });
  }

  async succeeds(message) {
    const body = message.body.toString();
    emit('received', { id: message.messageId, body, attempt: message.deliveryAttempt, at: now() });
    if (this.options.work > 0) await pause(this.options.work);
    return this.options.fail !== '*' && this.options.fail !== body;
  }

  consumed(message) {
    this.seen.add(message.body.toString());
    if (!this.goesOn()) this.end();
  }

  goesOn() {
    return this.options.count === 0 || this.seen.size < this.options.count;
  }

  // Until the wanted number of distinct bodies has been consumed, or the input ends if there is none.
  async run() {
    emit('ready');
    if (this.options.count === 0) {
      await inputEnds();
    } else {
      await this.done;
      emit('done');
    }
  }
}

async function consumeSimple(options) {
  const consumer = new SimpleConsumer({
    endpoints: options.endpoint, namespace: '', consumerGroup: options.group,
    subscriptions: subscriptions(options), awaitDuration: 10_000,
  });
  await consumer.startup();
  const application = new Application(options);

  const work = async message => {
    if (options.change !== undefined) await consumer.changeInvisibleDuration(message, Number(options.change) * 1000);
    if (await application.succeeds(message)) {
      await consumer.ack(message);
      application.consumed(message);
    }
  };
  const receiveAndAck = async () => {
    while (application.goesOn()) {
      try {
        await Promise.all((await consumer.receive(options.batch, options.invisible * 1000)).map(work));
      } catch (error) {
        await emitError(error);
      }
    }
  };
  for (let i = 0; i < options.receivers; ++i) receiveAndAck();
  await application.run();
  return consumer;
}

async function consumePush(options) {
  const application = new Application(options);
  const consumer = new PushConsumer({
    endpoints: options.endpoint, namespace: '', consumerGroup: options.group,
    subscriptions: subscriptions(options),
    messageListener: {
      async consume(message) {
        if (!await application.succeeds(message)) return ConsumeResult.FAILURE;
        application.consumed(message);
        return ConsumeResult.SUCCESS;
      },
    },
  });
  await consumer.startup();
  await application.run();
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
  await inputEnds();
  return producer;
}

async function main() {
  const numbers = { count: 0, 'pause-at': 0, groups: 0, work: 0, invisible: 20, batch: 32, receivers: 4 };
  const texts = [ 'endpoint', 'topic', 'group', 'sql', 'fail', 'change', 'prefix', 'body', 'ending', 'answer' ];
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: Object.fromEntries([ ...texts, ...Object.keys(numbers) ].map(name => [ name, { type: 'string' } ])),
  });
  const options = { ...values };
  for (const [ name, usual ] of Object.entries(numbers)) options[name] = Number(values[name] ?? usual);
  options.pauseAt = options['pause-at'];
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
