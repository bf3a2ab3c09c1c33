"""How fast it is: races beside peers, curves of cost, time to a criterion."""
