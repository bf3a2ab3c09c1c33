"""Dopamine neurons as a distributional code (Dabney et al. 2020), simulated, learned or recorded.

One way through the modules: `neurons` learn values and fire; `responses` holds what they fire, per
trial, in one array whatever it came from; `recordings` reads that from the files of real neurons;
`estimators` and `decoding` measure it; `measures` puts simulated populations through all of it.
"""
