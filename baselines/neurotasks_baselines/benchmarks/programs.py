"""Names of programs and tasks in the files of results."""

FUSED = "FusedRecurrentPPO"
STOCK = "RecurrentPPO"
DUMMY = "RecurrentPPO, DummyVecEnv"
PAIR = "FusedRecurrentPPO, two seeds in parallel"
JAX = "pure-JAX PPO, gymnax"
LIMIT = "arithmetic limit"
LOOP = "compiled loop"

BANDIT, TWO_STEP = "neurotasks/Bandit-v0", "neurotasks/TwoStep-v0"
GYMNAX_BANDIT = "BernoulliBandit-misc"
