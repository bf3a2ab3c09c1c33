"""Names of programs and tasks in the files of results."""

FUSED = "FusedRecurrentPPO"
STOCK = "RecurrentPPO"
DUMMY = "RecurrentPPO, DummyVecEnv"
PAIR = "FusedRecurrentPPO, two seeds in parallel"
JAX = "pure-JAX PPO, gymnax"
LIMIT = "arithmetic limit"
LOOP = "compiled loop"
MAKE = "gymnasium.make"
MAKE_VEC = {mode: f"gymnasium.make_vec, {mode}" for mode in ("NextStep", "SameStep", "Disabled")}
CART_POLE = "CartPole-v1"

BANDIT, TWO_STEP = "neurotasks/Bandit-v0", "neurotasks/TwoStep-v0"
GYMNAX_BANDIT = "BernoulliBandit-misc"
