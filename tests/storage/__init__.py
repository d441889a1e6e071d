"""Storage keeps its promises."""
