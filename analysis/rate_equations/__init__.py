"""The paper's rate equations, solved on the plate and fitted to kinetics and light."""
