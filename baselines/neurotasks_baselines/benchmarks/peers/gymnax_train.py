"""A pure-JAX recurrent PPO, a program of `neurotasks benchmark train --peer gymnax=PYTHON`.

In an environment of its own:

    python3.11 -m venv gymnax && gymnax/bin/pip install gymnax==1.0.1 jax==0.10.2 optax six

It learns gymnax's Bernoulli bandit. Playing, advantages and all epochs are one jitted function, in
the style of the public pure-JAX implementations of PPO: one LSTM, linear heads of actor and critic,
GAE, clipped objective, Adam, minibatches of whole environments. It gets {"num_envs": ...,
"n_steps": ..., "units": ..., "epochs": ..., "minibatches": ...} and runs for a second for every
line on its input. `reward` in its answer is the mean of the last rollout: 0.5 by chance, 0.89 at
best.
"""

import json
import os
import sys
import time
from importlib.metadata import version

# XLA reads this when it starts: one core, as every other candidate.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import gymnax
import jax
import jax.numpy as jnp
import optax

SECONDS = 1.0
GAMMA, LAMBDA, CLIP, ENTROPY, VALUE, RATE, NORM = 0.9, 0.95, 0.2, 0.05, 0.5, 3e-3, 0.5


def initial_weights(key, width, units, actions):
    """Return the weights: one matrix of the LSTM for input, memory and bias, and the heads'."""
    keys = jax.random.split(key, 4)
    orthogonal, small = jax.nn.initializers.orthogonal(), jax.nn.initializers.orthogonal(0.01)
    return {
        "input": orthogonal(keys[0], (width, 4 * units)),
        "memory": orthogonal(keys[1], (units, 4 * units)),
        "bias": jnp.zeros(4 * units),
        "actor": small(keys[2], (units, actions)),
        "critic": orthogonal(keys[3], (units, 1)),
        "heads_bias": jnp.zeros(actions + 1),
    }


def activate(gates):
    """Return input, forget, candidate and output gate."""
    i, f, g, o = jnp.split(gates, 4, axis=1)
    return jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)


def activate_at_once(gates):
    """Return the same from one tanh: three times faster to play, twice slower to differentiate."""
    units = gates.shape[1] // 4
    scale = jnp.array([0.5, 0.5, 1.0, 0.5]).repeat(units)
    i, f, g, o = jnp.split(jnp.tanh(gates * scale), 4, axis=1)
    return 0.5 * i + 0.5, 0.5 * f + 0.5, g, 0.5 * o + 0.5


def cell(weights, carry, inputs, activate=activate):
    """Step the LSTM; `inputs` are the observations times their weights, and where to forget all."""
    projected, start = inputs
    h, c = (x * ~start[:, None] for x in carry)
    i, f, g, o = activate(projected + h @ weights["memory"])
    c = f * c + i * g
    h = o * jnp.tanh(c)
    return (h, c), h


def heads(weights, h):
    """Return logits and values."""
    out = h @ jnp.hstack([weights["actor"], weights["critic"]]) + weights["heads_bias"]
    return jax.nn.log_softmax(out[..., :-1]), out[..., -1]


def make_update(num_envs, n_steps, units, epochs, minibatches):
    """Return the jitted function that plays one rollout and learns from it, and its first state."""
    env, params = gymnax.make("BernoulliBandit-misc")
    step = jax.vmap(env.step, (0, 0, 0, None))
    adam = optax.chain(optax.clip_by_global_norm(NORM), optax.adam(RATE, eps=1e-5))

    def play(weights, state, key):
        def body(state, key):
            env_state, obs, start, memory = state
            key_action, key_step = jax.random.split(key)
            projected = obs @ weights["input"] + weights["bias"]
            memory, h = cell(weights, memory, (projected, start), activate_at_once)
            log_probs, value = heads(weights, h)
            action = jax.random.categorical(key_action, log_probs)
            log_prob = jnp.take_along_axis(log_probs, action[:, None], 1)[:, 0]
            keys = jax.random.split(key_step, num_envs)
            after, env_state, reward, terminated, truncated, _ = step(
                keys, env_state, action, params
            )
            seen = (obs, start, action, log_prob, value, reward.astype(jnp.float32))
            return (env_state, after, terminated | truncated, memory), seen

        return jax.lax.scan(body, state, jax.random.split(key, n_steps))

    def advantages(weights, state, starts, values, rewards):
        _, obs, start, memory = state
        projected = obs @ weights["input"] + weights["bias"]
        _, h = cell(weights, memory, (projected, start))
        _, last = heads(weights, h)

        def body(carry, step):
            advantage, following, ended = carry
            start, value, reward = step
            delta = reward + GAMMA * following * ~ended - value
            advantage = delta + GAMMA * LAMBDA * ~ended * advantage
            return (advantage, value, start), advantage

        first = (jnp.zeros(num_envs), last, start)
        return jax.lax.scan(body, first, (starts, values, rewards), reverse=True)[1]

    def loss(weights, memory, batch):
        obs, starts, actions, old, advantage, returns = batch
        projected = obs @ weights["input"] + weights["bias"]

        def body(carry, inputs):
            return cell(weights, carry, inputs)

        _, h = jax.lax.scan(body, memory, (projected, starts))
        log_probs, values = heads(weights, h)
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
        state, (obs, starts, actions, old, values, rewards) = play(weights, state, key_play)
        advantage = advantages(weights, state, starts, values, rewards)
        rollout = (obs, starts, actions, old, advantage, advantage + values)
        weights, moments = learn(weights, moments, memory, rollout, key_learn)
        return weights, moments, state, key, rewards.mean()

    key, key_weights, key_env = jax.random.split(jax.random.PRNGKey(0), 3)
    obs, env_state = jax.vmap(env.reset, (0, None))(jax.random.split(key_env, num_envs), params)
    weights = initial_weights(key_weights, obs.shape[1], units, env.num_actions)
    memory = (jnp.zeros((num_envs, units)), jnp.zeros((num_envs, units)))
    state = (weights, adam.init(weights), (env_state, obs, jnp.ones(num_envs, bool), memory), key)
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
