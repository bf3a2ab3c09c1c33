"""gymnax's environments, as a program of `neurotasks benchmark envs --peer gymnax=PYTHON`.

In an environment of its own:

    python3.11 -m venv gymnax && gymnax/bin/pip install gymnax==1.0.1 jax==0.10.2 six

It gets {"how": ..., "task": ..., "num_envs": ...} and runs for 0.3 seconds for every line on its
input. `how` is "scan" (a jitted loop, actions drawn inside, only sums leave it, the cheapest
there is), "keep" (a jitted loop over given actions that returns all observations, rewards and
ends), or "step" (the jitted step called from Python, results as numpy arrays).
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
import numpy as np

SECONDS = 0.3


def first_state(env, params, num_envs):
    """Return the state of environments that begin, with the types it has after a step.

    Otherwise the second call compiles again.
    """
    keys = jax.random.split(jax.random.PRNGKey(0), num_envs)
    _, state = jax.vmap(env.reset, (0, None))(keys, params)
    after = jax.vmap(env.step, (0, 0, 0, None))(keys, state, jnp.zeros(num_envs, int), params)[1]
    return jax.tree.map(lambda x, y: jnp.asarray(x, y.dtype), state, after)


def looped(env, params, num_envs, keep):
    """Return a function that takes many steps in one compiled loop."""
    steps = max(100, 200_000 // num_envs)
    step = jax.vmap(env.step, (0, 0, 0, None))
    key, state = jax.random.PRNGKey(0), first_state(env, params, num_envs)
    given = jax.random.randint(key, (steps, num_envs), 0, env.num_actions)

    @jax.jit
    def loop(key, state):
        def body(state, inputs):
            key, actions = inputs
            key_action, key_step = jax.random.split(key)
            if not keep:
                actions = jax.random.randint(key_action, (num_envs,), 0, env.num_actions)
            keys = jax.random.split(key_step, num_envs)
            obs, state, reward, terminated, truncated, _ = step(keys, state, actions, params)
            if keep:
                return state, (obs, reward, terminated | truncated)
            return state, (obs.sum(), reward.sum())  # so that none of it is optimised away

        return jax.lax.scan(body, state, (jax.random.split(key, steps), given))

    def take_steps():
        nonlocal key, state
        key, now = jax.random.split(key)
        state, sums = loop(now, state)
        jax.block_until_ready(sums)
        return steps * num_envs

    return take_steps


def stepped(env, params, num_envs):
    """Return a function that takes ten steps, each from Python."""
    step = jax.jit(jax.vmap(env.step, (0, 0, 0, None)))
    split = jax.jit(lambda key: (jax.random.split(key)[0], jax.random.split(key, num_envs)))
    key, state = jax.random.PRNGKey(0), first_state(env, params, num_envs)
    actions = np.random.default_rng(0).integers(0, env.num_actions, (10, num_envs))

    def take_steps():
        nonlocal key, state
        for action in actions:
            key, keys = split(key)
            obs, state, reward, terminated, truncated, _ = step(keys, state, action, params)
            for array in (obs, reward, terminated, truncated):
                np.asarray(array)
        return actions.size

    return take_steps


def main(how, task, num_envs):
    """Run once for every line on the input."""
    env, params = gymnax.make(task)
    take_steps = (
        stepped(env, params, num_envs)
        if how == "step"
        else looped(env, params, num_envs, how == "keep")
    )
    versions = {name: version(name) for name in ("gymnax", "jax")}
    for _ in sys.stdin:
        steps, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < SECONDS:
            steps += take_steps()
        answer = {"steps": steps, "seconds": seconds, "versions": versions}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
