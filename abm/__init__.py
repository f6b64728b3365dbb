"""The model: firms, municipalities and a resource centre decide on by-product exchanges, month by month."""
