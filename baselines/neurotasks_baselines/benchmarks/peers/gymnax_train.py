"""A pure-JAX recurrent PPO, a program of `neurotasks benchmark train --peer gymnax=PYTHON`.

In an environment of its own:

    python3.11 -m venv gymnax && gymnax/bin/pip install gymnax==1.0.1 jax==0.10.2 optax six

It learns gymnax's Bernoulli bandit. Playing, advantages and all epochs are one jitted function, in
the style of the public pure-JAX implementations of PPO: one LSTM, linear heads of actor and critic,
GAE, clipped objective, Adam, minibatches of whole environments. It gets {"num_envs": ...,
"n_steps": ..., "units": ..., "epochs": ..., "minibatches": ...} and runs for a second for every
line on its input. `reward` in its answer is the mean of the last rollout: 0.5 by chance, 0.89 at
best.

The page on performance in the documentation tells which other forms were tried.
"""

import json
import os
import sys
import time
from functools import partial
from importlib.metadata import version

# One core, as every other candidate; jax counts them when it starts.
if hasattr(os, "sched_setaffinity"):  # not on macOS and Windows
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.environ["JAX_PLATFORMS"] = "cpu"

import gymnax
import jax
import jax.numpy as jnp
import optax

SECONDS = 1.0
GAMMA, LAMBDA, CLIP, ENTROPY, VALUE, RATE, NORM = 0.9, 0.95, 0.2, 0.05, 0.5, 3e-3, 0.5


def initial_weights(key, width, units, actions):
    """Return the weights: one matrix of the LSTM for memory, input and bias, and the heads'."""
    keys = jax.random.split(key, 4)
    orthogonal, small = jax.nn.initializers.orthogonal(), jax.nn.initializers.orthogonal(0.01)
    inputs, memory = (
        orthogonal(keys[0], (width, 4 * units)),
        orthogonal(keys[1], (units, 4 * units)),
    )
    return {
        "lstm": jnp.vstack([memory, inputs, jnp.zeros((1, 4 * units))]),
        "actor": small(keys[2], (units, actions)),
        "critic": orthogonal(keys[3], (units, 1)),
        "heads_bias": jnp.zeros(actions + 1),
    }


def cell(weights, memory, inputs):
    """Step the LSTM: one product for memory, input and bias, one tanh for all gates.

    Args:
        weights: Matrix of the LSTM.
        memory: Output and cell after the step before.
        inputs: Observations with a one at their end, and 0 where to forget all, else 1.

    Returns:
        Output and cell; and the output with all that its derivative needs.
    """
    x, keep = inputs
    h, before = (part * keep for part in memory)
    scale = jnp.array([0.5, 0.5, 1.0, 0.5]).repeat(h.shape[1])  # sigmoid is tanh of the half
    i, f, g, o = jnp.split(jnp.tanh(jnp.hstack([h, x]) @ weights * scale), 4, axis=1)
    i, f, o = 0.5 * i + 0.5, 0.5 * f + 0.5, 0.5 * o + 0.5
    c = f * before + i * g
    bounded = jnp.tanh(c)
    h = o * bounded
    return (h, c), (h, before, i, f, g, o, bounded)


@jax.custom_vjp
def lstm(weights, memory, x, keep):
    """Return the outputs of the LSTM over time.

    Its derivative is written by hand: that of a scan adds up the gradient of the weights step by
    step, where this takes one product at the end.
    """
    return lstm_forward(weights, memory, x, keep)[0]


def lstm_forward(weights, memory, x, keep):
    """Return the outputs, and what the derivative needs."""
    _, (h, *steps) = jax.lax.scan(partial(cell, weights), memory, (x, keep))
    return h, (weights, memory[0], x, keep, h, steps)


def lstm_backward(kept, change):
    """Return the gradient of the weights; nothing else needs one."""
    weights, first, x, keep, h, steps = kept
    units = h.shape[2]
    back = weights[:units].T

    def body(carry, inputs):
        dh, dc = carry
        change, keep, (before, i, f, g, o, bounded) = inputs
        dh = dh + change
        dc = dc + dh * o * (1 - bounded * bounded)
        di, df, dg = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g)
        gates = jnp.hstack([di, df, dg, dh * bounded * o * (1 - o)])
        return (gates @ back * keep, dc * f * keep), gates

    zeros = jnp.zeros_like(first)
    _, gates = jax.lax.scan(body, (zeros, zeros), (change, keep, steps), reverse=True)
    memory = jnp.concatenate([first[None], h[:-1]]) * keep
    inputs = jnp.concatenate([memory, x], axis=2)
    return jnp.tensordot(inputs, gates, ((0, 1), (0, 1))), None, None, None


lstm.defvjp(lstm_forward, lstm_backward)


def heads(weights, h):
    """Return logits and values."""
    out = h @ jnp.hstack([weights["actor"], weights["critic"]]) + weights["heads_bias"]
    return jax.nn.log_softmax(out[..., :-1]), out[..., -1]


def make_update(num_envs, n_steps, units, epochs, minibatches):
    """Return the jitted function that plays one rollout and learns from it, and its first state."""
    env, params = gymnax.make("BernoulliBandit-misc")
    step = jax.vmap(env.step, (0, 0, 0, None))
    adam = optax.chain(optax.clip_by_global_norm(NORM), optax.adam(RATE, eps=1e-5))
    ones = jnp.ones((num_envs, 1))

    def play(weights, state, key):
        def body(state, key):
            env_state, x, keep, memory = state
            key_action, key_step = jax.random.split(key)
            memory, (h, *_) = cell(weights["lstm"], memory, (x, keep))
            log_probs, value = heads(weights, h)
            action = jax.random.categorical(key_action, log_probs)
            log_prob = jnp.take_along_axis(log_probs, action[:, None], 1)[:, 0]
            keys = jax.random.split(key_step, num_envs)
            after, env_state, reward, terminated, truncated, _ = step(
                keys, env_state, action, params
            )
            seen = (x, keep, action, log_prob, value, reward.astype(jnp.float32))
            keep = (~(terminated | truncated)).astype(jnp.float32)[:, None]
            return (env_state, jnp.hstack([after, ones]), keep, memory), seen

        return jax.lax.scan(body, state, jax.random.split(key, n_steps))

    def advantages(weights, state, keeps, values, rewards):
        _, x, keep, memory = state
        _, (h, *_) = cell(weights["lstm"], memory, (x, keep))
        _, last = heads(weights, h)

        def body(carry, step):
            advantage, following, goes_on = carry
            keep, value, reward = step
            delta = reward + GAMMA * following * goes_on - value
            advantage = delta + GAMMA * LAMBDA * goes_on * advantage
            return (advantage, value, keep[:, 0]), advantage

        first = (jnp.zeros(num_envs), last, keep[:, 0])
        return jax.lax.scan(body, first, (keeps, values, rewards), reverse=True)[1]

    def loss(weights, memory, batch):
        x, keep, actions, old, advantage, returns = batch
        log_probs, values = heads(weights, lstm(weights["lstm"], memory, x, keep))
        log_prob = jnp.take_along_axis(log_probs, actions[..., None], 2)[..., 0]
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        ratio = jnp.exp(log_prob - old)
        clipped = jnp.clip(ratio, 1 - CLIP, 1 + CLIP)
        gain = jnp.minimum(ratio * advantage, clipped * advantage).mean()
        entropy = -(jnp.exp(log_probs) * log_probs).sum(-1).mean()
        return VALUE * jnp.square(values - returns).mean() - gain - ENTROPY * entropy

    def learn(weights, moments, memory, rollout, key):
        def minibatch(carry, columns):
            weights, moments = carry
            batch = jax.tree.map(lambda x: x[:, columns], rollout)
            gradient = jax.grad(loss)(weights, jax.tree.map(lambda x: x[columns], memory), batch)
            change, moments = adam.update(gradient, moments)
            return (optax.apply_updates(weights, change), moments), None

        def epoch(carry, key):
            columns = jax.random.permutation(key, num_envs).reshape(minibatches, -1)
            return jax.lax.scan(minibatch, carry, columns)[0], None

        return jax.lax.scan(epoch, (weights, moments), jax.random.split(key, epochs))[0]

    @jax.jit
    def update(weights, moments, state, key):
        key, key_play, key_learn = jax.random.split(key, 3)
        memory = state[3]
        state, (x, keeps, actions, old, values, rewards) = play(weights, state, key_play)
        advantage = advantages(weights, state, keeps, values, rewards)
        rollout = (x, keeps, actions, old, advantage, advantage + values)
        weights, moments = learn(weights, moments, memory, rollout, key_learn)
        return weights, moments, state, key, rewards.mean()

    key, key_weights, key_env = jax.random.split(jax.random.PRNGKey(0), 3)
    obs, env_state = jax.vmap(env.reset, (0, None))(jax.random.split(key_env, num_envs), params)
    weights = initial_weights(key_weights, obs.shape[1], units, env.num_actions)
    memory = (jnp.zeros((num_envs, units)), jnp.zeros((num_envs, units)))
    first = (env_state, jnp.hstack([obs, ones]), jnp.zeros((num_envs, 1)), memory)
    state = (weights, adam.init(weights), first, key)
    # With the types they have after an update, or the second one compiles again.
    return update, jax.tree.map(lambda x: jnp.asarray(x, x.dtype), state)


def main(num_envs, n_steps, units, epochs, minibatches):
    """Run once for every line on the input."""
    update, state = make_update(num_envs, n_steps, units, epochs, minibatches)
    versions = {name: version(name) for name in ("gymnax", "jax", "optax")}
    for _ in sys.stdin:
        done, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < SECONDS:
            *state, reward = update(*state)
            reward = float(reward)  # waits for the result
            done += num_envs * n_steps
        answer = {"steps": done, "seconds": seconds, "versions": versions, "reward": reward}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
