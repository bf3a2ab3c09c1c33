"""The models once more, in ordinary Python without any code of neurotasks.models.

Each function takes trials (choice, second_state, second_choice, reward), a missed one as None, of
one episode, and values of all parameters; it returns the log likelihood.
"""

from math import exp, log


def softmax(values):
    weights = [exp(v) for v in values]
    return [w / sum(weights) for w in weights]


def second_stage(q2, v, s2, options):
    return softmax([v["beta2"] * q for q in q2[s2]][:options])


def hybrid(trials, v, second_options=2):
    q1, q2, last, total = [0.0, 0.0], [[0.0] * second_options for _ in range(2)], None, 0.0
    for c1, s2, c2, r in filter(None, trials):
        best = [max(q) for q in q2]
        planned = [v["p_common"] * best[a] + (1 - v["p_common"]) * best[1 - a] for a in (0, 1)]
        net = [v["w"] * planned[a] + (1 - v["w"]) * q1[a] for a in (0, 1)]
        stay = [v["p"] * (a == last) for a in (0, 1)]
        total += log(softmax([v["beta1"] * (net[a] + stay[a]) for a in (0, 1)])[c1])
        total += log(second_stage(q2, v, s2, second_options)[c2])
        delta1, delta2 = q2[s2][c2] - q1[c1], r - q2[s2][c2]
        q1[c1] += v["alpha1"] * delta1 + v["alpha1"] * v["lambda_"] * delta2
        q2[s2][c2] += v["alpha2"] * delta2
        last = c1
    return total


def latent_state(trials, v, second_options=2):
    belief, q2, last, total = 0.5, [[0.0] * second_options for _ in range(2)], None, 0.0
    for c1, s2, c2, r in filter(None, trials):
        # expected rewards of state 0 and 1
        worth_1 = belief * v["p_reward"] + (1 - belief) * (1 - v["p_reward"])
        worth = [1 - worth_1, worth_1]
        value = [
            v["p_common"] * worth[a] + (1 - v["p_common"]) * worth[1 - a] + v["p"] * (a == last)
            for a in (0, 1)
        ]
        soft = softmax([v["beta1"] * x for x in value])
        total += log((1 - v["lapse"]) * soft[c1] + v["lapse"] / 2)
        total += log(second_stage(q2, v, s2, second_options)[c2])
        good = v["p_reward"] if r > 0 else 1 - v["p_reward"]
        like = [1 - good, good] if s2 == 1 else [good, 1 - good]
        posterior = belief * like[1] / (belief * like[1] + (1 - belief) * like[0])
        belief = posterior * (1 - v["p_reversal"]) + (1 - posterior) * v["p_reversal"]
        q2[s2][c2] += v["alpha2"] * (r - q2[s2][c2])
        last = c1
    return total


def reward_as_cue(trials, v, second_options=2):
    q1, q2, last, total, cue = {}, [[0.0] * second_options for _ in range(2)], None, 0.0, None
    for c1, s2, c2, r in filter(None, trials):
        value = [q1.get((cue, a), 0.0) + v["p"] * (a == last) for a in (0, 1)]
        total += log(softmax([v["beta1"] * x for x in value])[c1])
        total += log(second_stage(q2, v, s2, second_options)[c2])
        q1[cue, c1] = q1.get((cue, c1), 0.0) + v["alpha1"] * (r - q1.get((cue, c1), 0.0))
        q2[s2][c2] += v["alpha2"] * (r - q2[s2][c2])
        last, cue = c1, (s2, r > 0)
    return total


def choice_kernel(trials, v, second_options=2):
    k1, k2, total = [0.0, 0.0], [[0.0] * second_options for _ in range(2)], 0.0
    for c1, s2, c2, _ in filter(None, trials):
        total += log(softmax([v["beta1"] * k for k in k1])[c1])
        total += log(softmax([v["beta2"] * k for k in k2[s2]])[c2])
        k1 = [k + v["alpha1"] * ((a == c1) - k) for a, k in enumerate(k1)]
        k2[s2] = [k + v["alpha2"] * ((a == c2) - k) for a, k in enumerate(k2[s2])]
    return total


def q_learning(trials, v, options=2):
    q, kernel, total = [v["q0"]] * options, [0.0] * options, 0.0
    for c, _, _, r in filter(None, trials):
        soft = softmax([v["beta"] * a + v["beta_k"] * b for a, b in zip(q, kernel, strict=True)])
        total += log((1 - v["lapse"]) * soft[c] + v["lapse"] / options)
        rpe = r - q[c]
        moved = q[c] + (v["alpha"] if rpe > 0 else v["alpha_minus"]) * rpe
        q = [a + v["forget"] * (v["q0"] - a) for a in q]
        q[c] = moved
        kernel = [k + v["alpha_k"] * ((a == c) - k) for a, k in enumerate(kernel)]
    return total


def hazard_rate(trials, v):
    levels = [0.525 + 0.05 * i for i in range(10)]
    belief = {(level, better): 1 / 20 for level in levels for better in (0, 1)}
    total = 0.0
    for c, _, _, r in filter(None, trials):
        worth = [
            sum(
                b * (level if better == arm else 1 - level) for (level, better), b in belief.items()
            )
            for arm in (0, 1)
        ]
        total += log(softmax([v["beta"] * w for w in worth])[c])
        paying = c if r > 0 else 1 - c
        after = {
            (level, better): b * (level if better == paying else 1 - level)
            for (level, better), b in belief.items()
        }
        norm = sum(after.values())
        belief = {
            (level, better): (
                (1 - v["hazard"]) * after[level, better] + v["hazard"] * after[level, 1 - better]
            )
            / norm
            for level, better in after
        }
    return total


def rescorla_wagner_of_both_arms(trials, v):
    right, total = 0.5, 0.0
    for c, _, _, r in filter(None, trials):
        total += log(softmax([v["beta"] * (1 - right), v["beta"] * right])[c])
        right += v["alpha"] * ((c if r > 0 else 1 - c) - right)
    return total


def volatility(trials, v):
    belief, total = {(block, arm): 0.25 for block in (0, 1) for arm in (0, 1)}, 0.0
    for c, _, _, r in filter(None, trials):
        right = belief[0, 1] + belief[1, 1]
        worth = [(1 - right) * v["p_better"] + right * (1 - v["p_better"])]
        worth.append(1 - worth[0])
        total += log(softmax([v["beta"] * w for w in worth])[c])
        paying = c if r > 0 else 1 - c
        seen = {
            (block, arm): b * (v["p_better"] if arm == paying else 1 - v["p_better"])
            for (block, arm), b in belief.items()
        }
        norm, k, h = sum(seen.values()), v["k"], v["hazard"]
        toggled = {
            (block, arm): ((1 - k) * seen[block, arm] + k * seen[1 - block, arm]) / norm
            for block, arm in seen
        }
        belief = {
            (block, arm): b if block == 0 else (1 - h) * b + h * toggled[block, 1 - arm]
            for (block, arm), b in toggled.items()
        }
    return total


def income(trials, v, options=2):
    incomes, total = [v["income0"]] * options, 0.0
    for c, _, _, r in filter(None, trials):
        powers = [i ** v["sensitivity"] for i in incomes]
        total += log(powers[c] / sum(powers))
        incomes = [i * exp(-1 / v["tau"]) for i in incomes]
        incomes[c] += r
    return total
