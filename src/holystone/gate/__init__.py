"""The verdict before a deployment: rules about a store and the engine that is about to be put on it; reads only."""
