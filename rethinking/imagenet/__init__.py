"""The paper's ImageNet part: images that stay where they are, and a trainer over several processes."""
