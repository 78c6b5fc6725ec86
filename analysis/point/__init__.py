"""From the frames of a point to its phase change, with its uncertainty: the estimator."""
