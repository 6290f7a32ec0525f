"""The class syntax of features, and the register of the classes that were declared."""
