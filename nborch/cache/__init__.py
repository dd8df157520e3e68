"""Results kept by key: names (keys), bytes (index, blobs), values (serializers)."""
