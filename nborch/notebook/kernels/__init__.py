"""The processes of kernels: started, kept warm, and surely ended."""
