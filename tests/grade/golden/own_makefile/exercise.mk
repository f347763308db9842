# Would like to be graded by other points.
checks = A00:100
