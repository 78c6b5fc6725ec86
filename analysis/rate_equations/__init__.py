"""The paper's laser rate equations (Eq. 3), solved on a plate and fitted to kinetics and light."""
